"""Cells as text and as numbers, whatever their column's type."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.reading.values import as_numbers, as_text, is_missing

SAME_TEXT = {
    "integers": (pl.Series([1, -2, None]), ["1", "-2", None]),
    "large integers": (pl.Series([2**63 - 1, 2**53 + 1]), ["9223372036854775807", "9007199254740993"]),
    "unsigned": (pl.Series([2**64 - 1], dtype=pl.UInt64), ["18446744073709551615"]),
    "whole floats": (pl.Series([1.0, -2.0, -0.0, 1e15]), ["1", "-2", "0", "1000000000000000"]),
    "other floats": (pl.Series([1.5, math.nan, None, math.inf]), ["1.5", None, None, "inf"]),
    "32 bit floats": (pl.Series([0.1, 3.0], dtype=pl.Float32), ["0.1", "3"]),
    "booleans": (pl.Series([True, False, None]), ["true", "false", None]),
    "strings": (pl.Series(["a", "", None, " ", "1.", "007"]), ["a", None, None, " ", "1.", "007"]),
    "numbers as text": (
        pl.Series(["1.0", "-2.50", "-0.00", "007.0", "1.0.0", "NaN"]),
        ["1", "-2.5", "0", "007.0", "1.0.0", None],
    ),
    "truth as text": (pl.Series(["True", "FALSE", "tRUE"]), ["true", "false", "tRUE"]),
    "times as text": (
        pl.Series(["2017-04-01T00:00:00.000", "2017-04-01 12:30:00.500000", "2017-04-01T08:00:00+08:00"]),
        ["2017-04-01", "2017-04-01 12:30:00.5", "2017-04-01"],
    ),
    "categorical": (pl.Series(["a", "", None], dtype=pl.Categorical), ["a", None, None]),
    "enum": (pl.Series(["a", None], dtype=pl.Enum(["a"])), ["a", None]),
    "decimals": (pl.Series([Decimal("1.50"), Decimal("2.00"), Decimal("100")]), ["1.5", "2", "100"]),
    "dates": (pl.Series([dt.date(2017, 4, 1), None]), ["2017-04-01", None]),
    "datetimes": (
        pl.Series([dt.datetime(2017, 4, 1), dt.datetime(2017, 4, 1, 12, 30)]),
        ["2017-04-01", "2017-04-01 12:30:00"],
    ),
    "zoned": (
        pl.Series([dt.datetime(2017, 4, 1, 8)]).dt.replace_time_zone("Asia/Shanghai"),
        ["2017-04-01"],
    ),
    "nothing": (pl.Series([None, None]), [None, None]),
}


@pytest.mark.parametrize("name", SAME_TEXT)
def test_text(name: str) -> None:
    column, text = SAME_TEXT[name]
    assert as_text(column).to_list() == text
    assert as_text(column.clear()).to_list() == []
    assert is_missing(column).tolist() == [cell is None for cell in text]


@given(st.lists(st.integers(-(2**53), 2**53)))
def test_integers_and_whole_floats_say_the_same(values: list[int]) -> None:
    integers = as_text(pl.Series(values, dtype=pl.Int64)).to_list()
    assert integers == as_text(pl.Series(values, dtype=pl.Float64)).to_list() == [str(v) for v in values]


@given(st.lists(st.floats(allow_nan=False)))
def test_numbers_survive_their_text(values: list[float]) -> None:
    column = pl.Series(values, dtype=pl.Float64)
    back, bad = as_numbers(as_text(column))
    assert not bad.any()
    np.testing.assert_array_equal(back, values)


def test_numbers_of_dates_count_days() -> None:
    day = dt.date(2017, 4, 1)
    for column in (
        pl.Series([day, None]),
        pl.Series([dt.datetime(2017, 4, 1), None], dtype=pl.Datetime("ms")),
        pl.Series([dt.datetime(2017, 4, 1), None], dtype=pl.Datetime("ns")),
        pl.Series(["2017-04-01", ""]),
        pl.Series(["2017-04-01T00:00:00", None]),
    ):
        values, bad = as_numbers(column)
        assert values[0] == (day - dt.date(1970, 1, 1)).days
        assert np.isnan(values[1])
        assert not bad.any()
    assert as_numbers(pl.Series([dt.timedelta(hours=12)]))[0].tolist() == [0.5]


def test_numbers_of_text() -> None:
    values, bad = as_numbers(pl.Series(["1", " 2.5 ", "1e3", "True", "false", "abc", "", None, "NaN", "-inf"]))
    assert bad.tolist() == [False] * 5 + [True] + [False] * 4
    np.testing.assert_array_equal(values, [1, 2.5, 1000, 1, 0, np.nan, np.nan, np.nan, np.nan, -np.inf])


def test_numbers_of_booleans() -> None:
    values, _ = as_numbers(pl.Series([True, False, None]))
    np.testing.assert_array_equal(values, [1, 0, np.nan])
