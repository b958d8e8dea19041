"""Hashes that stored runs depend on: pinned, exact, and alike from every kind of column."""

from __future__ import annotations

import re
from hashlib import blake2b

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.plan.cell_text import MISSING, cell_text
from tests.conftest import PROJECT

GOLDEN = {
    "-1": 0xE4D971771B652C20,
    "9223372036854775807": 0x2A67D7552E039EA7,
    "fund 基金": 0xC9F9E4CA033E277A,
    "042": 0xCCFFFFD357EE1DFC,
}
"""What stored runs were trained with: a change here breaks them all."""

WHOLE = st.integers(-(2**63), 2**64 - 1)


def one(value: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> int:
    return int(hash64(pl.Series([value], dtype=dtype))[0][0])


def splitmix64(seed: int) -> int:
    """The loop twin, in Python's integers."""
    z = (seed + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_the_document_has_the_hashes() -> None:
    told = re.findall(
        r"^\| `([^`]+)` \| (\d+) \|$", (PROJECT / "docs" / "language.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(told) == 6
    hashes, _ = hash64(pl.Series([value for value, _ in told]))
    assert hashes.tolist() == [int(number) for _, number in told]


def test_golden() -> None:
    # The first outputs of SplitMix64 for the seeds 0 and 1234567, as published with the generator.
    assert one(0) == 0xE220A8397B1DCDAF
    assert one(1234567) == 6457827717110365317
    assert one(-1) == splitmix64(2**64 - 1) == GOLDEN["-1"]
    assert one(2**63 - 1) == GOLDEN["9223372036854775807"]
    assert one("fund 基金") == GOLDEN["fund 基金"]
    assert one("042") == GOLDEN["042"]


@given(WHOLE)
def test_whole_numbers_hash_alike_as_text(value: int) -> None:
    dtype = pl.Int64 if value < 2**63 else pl.UInt64
    assert one(value, dtype) == one(str(value), pl.String) == splitmix64(value % 2**64)


@given(st.text(min_size=1))
def test_other_text_is_its_digest(text: str) -> None:
    try:
        plain = str(int(text)) == text
    except ValueError:
        plain = False
    if not plain and cell_text(text) == text and text not in MISSING:
        assert one(text, pl.String) == int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def test_narrow_columns_and_wide_ones() -> None:
    for dtype in (pl.Int8, pl.UInt8, pl.Int16, pl.UInt32, pl.Int32, pl.Int64, pl.UInt64, pl.Int128, pl.String):
        assert one("42" if dtype == pl.String else 42, dtype) == splitmix64(42)
    assert one("42", pl.Categorical) == splitmix64(42)


def test_only_the_plain_decimal_is_a_number() -> None:
    same = {one(text) for text in ("42", "042", "+42", "42.", " 42", "-0", "0")}
    assert len(same) == 7
    assert one("42.0") == one("42.00") == one("42")


def test_ids_above_24_and_53_bits_stay_apart() -> None:
    for start in (2**24, 2**53, 2**62):
        ids = pl.Series(range(start, start + 10_000), dtype=pl.Int64)
        assert len(np.unique(hash64(ids)[0])) == 10_000


def test_missing() -> None:
    _, missing = hash64(pl.Series(["a", None, ""]))
    assert missing.tolist() == [False, True, True]
    assert hash64(pl.Series([1, None]))[1].tolist() == [False, True]
