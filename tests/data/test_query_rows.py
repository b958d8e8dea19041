"""Queries that are cut in two, and queries of one row, in many rows too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.api.check import check
from aesm_dsl.data.checks import query_rows

SPEC = """aesm = 1

model shop {
  features row { x = number }
  tasks { task click }
  data { train = "train.parquet"; test = "test.parquet"; query = request }
}
"""


def checked(folder: Path, train: list[str | None], test: list[str | None]) -> list[tuple[str, str]]:
    """The code and message of every finding about queries of these rows."""
    for name, queries in (("train", train), ("test", test)):
        count = len(queries)
        rows = {"request": queries, "x": np.arange(count) % 17 / 4, "click": np.arange(count) % 2}
        pl.DataFrame(rows, schema_overrides={"request": pl.String}).write_parquet(folder / f"{name}.parquet")
    (folder / "shop.aesm").write_text(SPEC)
    findings = check(folder / "shop.aesm", data=True)
    return [(one.code, one.message) for one in findings if one.code in ("W538", "W539")]


def in_pairs(first: int, last: int) -> list[str | None]:
    return [f"q{number // 2}" for number in range(2 * first, 2 * last)]


def test_whole_queries_are_not_worth_a_word(tmp_path: Path) -> None:
    # Rows without a query belong to none, and are in no two parts.
    assert checked(tmp_path, [*in_pairs(0, 100), None], [*in_pairs(100, 150), None]) == []


def test_queries_in_two_parts_are_counted(tmp_path: Path) -> None:
    message = "10 queries of the test rows have training rows too; the first such row is row 3 of `test.parquet`"
    assert checked(tmp_path, in_pairs(0, 100), ["new", "new", *in_pairs(90, 140)]) == [("W538", message)]


def test_of_many_queries_a_sample_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_rows, "MOST_HASHES", 200)
    ((code, message),) = checked(tmp_path, in_pairs(0, 2000), in_pairs(1000, 2500))
    about, count = message.split()[:2]
    assert (code, about) == ("W538", "about")
    assert 700 < int(count.replace(",", "")) < 1300


def test_queries_of_one_row_are_told_if_they_are_most(tmp_path: Path) -> None:
    alone: list[str | None] = [f"r{number}" for number in range(30)]
    message = "30 of 40 queries of the training rows have one row"
    assert checked(tmp_path, [*alone, *in_pairs(0, 10)], ["t", "t"]) == [("W539", message)]
    assert checked(tmp_path, [*alone, *in_pairs(0, 30)], ["t", "t"]) == []
