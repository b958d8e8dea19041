"""Hashed values that share an embedding (W535), and what `compile` says of hashing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from aesm_dsl.api.check import check
from aesm_dsl.cli.main import app
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.plan.tables import colliding_share

SPEC = """aesm = 1

model m {{
  features user {{
    user_id = id(buckets: {buckets})
    seen    = list(of: {of}, separator: "|")
  }}
  tasks {{ task click }}
  data {{ train = "t.parquet" }}
}}
"""


def found(folder: Path, buckets: int, values: int, of: str = "user_id") -> list[str]:
    """The messages of W535 for a table of so many users."""
    draw = np.random.default_rng(0)
    rows = max(2 * values, 100)
    user = np.concatenate([np.arange(values), draw.integers(0, values, rows - values)])
    pl.DataFrame({"user_id": user, "seen": "1|2", "click": draw.integers(0, 2, rows)}).write_parquet(
        folder / "t.parquet"
    )
    (folder / "m.aesm").write_text(SPEC.format(buckets=buckets, of=of))
    return [one.message for one in check(folder / "m.aesm", data=True) if one.code == "W535"]


def test_values_that_share_a_bucket_are_told(tmp_path: Path) -> None:
    (message,) = found(tmp_path, 20_000, 6_000)
    assert (
        message
        == "about 26% of the 5,996 values of feature `user_id` share one of its 20,000 buckets with another value"
    )


def test_few_collisions_are_not_told(tmp_path: Path) -> None:
    assert found(tmp_path, 1_000_000, 6_000) == []


def test_values_of_lists_in_the_same_table_count_once(tmp_path: Path) -> None:
    assert len(found(tmp_path, 1_000, 900)) == 1
    assert [message.partition("`")[2][:4] for message in found(tmp_path, 100_000, 900, "id(buckets: 50)")] == []


@pytest.mark.parametrize(("values", "buckets"), [(100, 50), (1_000, 10_000), (6_040, 20_000)])
def test_the_share_is_what_hashing_gives(values: int, buckets: int) -> None:
    """Against the buckets that the values really fall into, the mean of 20 sets of values."""
    shares = []
    for start in range(20):
        hashes, _ = hash64(pl.Series(range(start * values, (start + 1) * values)))
        counts = np.bincount((hashes % np.uint64(buckets)).astype(np.int64))
        shares.append(1 - (counts == 1).sum() / values)
    assert colliding_share(values, buckets) == pytest.approx(float(np.mean(shares)), abs=0.02)


def test_compile_says_what_hashing_costs(tmp_path: Path) -> None:
    (tmp_path / "m.aesm").write_text(SPEC.format(buckets=20_000, of="user_id"))
    out = CliRunner().invoke(app, ["compile", str(tmp_path / "m.aesm")]).stdout
    assert "user_id  20,000 buckets: 10% of 2,000, 63% of 20,000 values" in out
