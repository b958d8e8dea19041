"""Which rows a split takes, and what is said when it cannot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.checks.column_uses import FailedUses
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.encoding import value_counts
from aesm_dsl.data.encoding.splits import Splits
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import DataPlan, SplitPlan
from tests.data.plans import Make


def split(
    rule: SplitPlan, column: pl.Series, part: str, seed: int, query: str | None = None
) -> tuple[Splits, list[int]]:
    """The splits after all rows of the column went through them, and the rows that left; read in chunks of three."""
    data = DataPlan(("x",), **{"valid": None, "test": None, "weight": None, "query": query, part: rule})
    made = replace(Make().plan(data=data), training=replace(Make().plan().training, seed=seed))

    def read(columns: Sequence[str]) -> Iterator[TableRows]:
        frame = pl.DataFrame({"day": column})
        for start in range(0, frame.height, 3):
            yield TableRows(frame[start : start + 3], "x", start, start)

    splits, gone = Splits(made, FailedUses(), read), []
    for rows in read(["day"]):
        empty = np.zeros((len(rows), 0))
        chunk = CheckedRows(
            "train", rows, empty.astype(np.int64), empty.astype(np.float32), np.ones(len(rows), np.float32)
        )
        for piece in splits.divide(chunk):
            if piece.part == part:
                gone += [int(piece.rows.location(row).split()[1]) - 1 for row in range(len(piece))]
    return splits, gone


def taken(rule: SplitPlan, column: pl.Series, part: str = "test", seed: int = 7) -> list[int]:
    findings = Findings()
    splits, gone = split(rule, column, part, seed)
    splits.report(findings, lambda key: None)
    assert {one.code for one in findings} <= {"W526"}
    return gone


def refused(rule: SplitPlan, column: pl.Series, locate: Locate) -> tuple[str, str, str, str]:
    findings = Findings()
    split(rule, column, "valid", 7)[0].report(findings, locate)
    (one,) = findings
    assert one.span is not None
    return one.code, one.message, one.span.text, " | ".join(one.help)


def last(share: float) -> SplitPlan:
    return SplitPlan("last", "day", None, share)


def since(value: str | float) -> SplitPlan:
    return SplitPlan("from", "day", value, None)


DAYS = [dt.date(2020, 1, day) for day in (3, 1, 2, 4)]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(DAYS),
        pl.Series([dt.datetime(2020, 1, d.day, 5) for d in DAYS]),
        pl.Series([str(day) for day in DAYS]),
        pl.Series([str(day) for day in DAYS], dtype=pl.Categorical),
    ],
)
def test_dates_of_every_kind(column: pl.Series) -> None:
    assert taken(last(0.5), column) == [0, 3]
    assert taken(since("2020-01-02"), column) == [0, 2, 3]


def test_numbers_and_text() -> None:
    assert taken(since(10), pl.Series([9, 10, 11, None])) == [1, 2]
    assert taken(since(10), pl.Series(["9", "10", "11", None])) == [1, 2]
    assert taken(since("10"), pl.Series([9, 10, 11])) == [1, 2]
    assert taken(SplitPlan("equals", "day", "1", None), pl.Series([1.0, 2.0, None])) == [0]
    assert taken(SplitPlan("equals", "day", 1.0, None), pl.Series([1, 2, None])) == [0]
    assert taken(last(0.5), pl.Series(["9", "10", "2", "1"])) == [0, 1]


def test_last_keeps_equal_values_together_and_comes_closest_to_the_share() -> None:
    days = pl.Series([1] * 50 + [2] * 30 + [3] * 20)
    assert taken(last(0.2), days) == list(range(80, 100))
    assert taken(last(0.01), days) == list(range(80, 100))
    assert taken(last(0.45), days) == list(range(50, 100))
    assert taken(last(0.3), days) == list(range(80, 100))


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_last_never_divides_a_value(values: list[int | None], share: float) -> None:
    _, gone = split(last(share), pl.Series(values, dtype=pl.Int64), "test", 0)
    into = {values[row] for row in gone}
    stay = {value for row, value in enumerate(values) if row not in gone}
    known = [value for value in values if value is not None]
    assert None not in into
    if known:
        twin = min(set(known), key=lambda least: (abs(sum(v >= least for v in known) - share * len(values)), -least))
        assert into == {value for value in known if value >= twin}
        assert min(v for v in into if v is not None) > max((v for v in stay if v is not None), default=-1)


def test_last_of_more_values_than_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_counts, "VALUES", 400)
    monkeypatch.setattr(value_counts, "GROUPS", 200)
    days = np.random.default_rng(0).permutation(10_000)
    gone = taken(last(0.25), pl.Series(days))
    assert abs(len(gone) - 2500) <= 2 * 10_000 / 200
    assert min(days[gone]) > max(np.delete(days, gone))


def test_random_is_seeded_and_stable() -> None:
    rule = SplitPlan("random", None, None, 0.25)
    column = pl.Series(range(1000))
    first = taken(rule, column)
    assert 210 < len(first) < 290
    assert first == taken(rule, column)
    assert first[:6] == [2, 7, 10, 17, 21, 32]
    assert [row for row in taken(rule, pl.Series(range(2000))) if row < 1000] == first
    assert first != taken(rule, column, seed=8)
    both = set(first) & set(taken(rule, column, part="valid"))
    assert 30 < len(both) < 95


def test_random_keeps_the_rows_of_a_query_together() -> None:
    queries = pl.Series([None if row % 11 == 0 else f"q{row // 4}" for row in range(2000)])
    _, gone = split(SplitPlan("random", None, None, 0.25), queries, "test", 7, query="day")
    assert 400 < len(gone) < 600
    in_query = [queries[row] for row in gone if queries[row] is not None]
    assert len(in_query) == sum(name in set(in_query) for name in queries)
    # Rows without a query are decided about one by one.
    alone = [row for row in gone if queries[row] is None]
    assert alone == [row for row in taken(SplitPlan("random", None, None, 0.25), queries) if queries[row] is None]


def test_a_split_without_rows(locate: Locate) -> None:
    assert refused(since("2021-01-01"), pl.Series(DAYS), locate) == (
        "E505",
        "the validation split by column `day` takes no rows",
        "data.valid",
        "its values go from `2020-01-01` to `2020-01-04`",
    )
    assert refused(since(0), pl.Series([1, 2]), locate)[:2] == (
        "E505",
        "the validation split by column `day` takes all 2 rows, leaving none to train on",
    )
    assert refused(last(0.1), pl.Series([5, 5]), locate)[0] == "E505"
    assert refused(last(0.1), pl.Series([None, None]), locate)[3] == "all its values are missing"
    assert refused(SplitPlan("random", None, None, 0.01), pl.Series([1, 2]), locate)[1] == (
        "the validation split takes no rows"
    )
    assert refused(SplitPlan("equals", "day", "x", None), pl.Series(["a"]), locate)[0] == "E505"


def test_a_value_of_another_kind(locate: Locate) -> None:
    assert refused(since(3), pl.Series(DAYS), locate) == (
        "E504",
        "the validation split cannot compare column `day` (dates) with `3`",
        "data.valid",
        "compare dates with an ISO date, numbers with a number",
    )
    code, message, _, help = refused(since("soon"), pl.Series(DAYS), locate)
    assert code == "E525"
    assert message == ("the validation split cannot tell what comes after `soon`: it is no number or ISO date")
    assert help == 'say how dates are written: `split(from: ..., by: day, format: "%d/%m/%Y")`'


FRENCH = pl.Series(["31/01/2024", "01/02/2024", "15/03/2024", "02/01/2024", None])


def test_text_has_no_order(locate: Locate) -> None:
    """Characters would put the 31st of January behind the 15th of March."""
    assert refused(last(0.3), FRENCH, locate) == (
        "E525",
        "the validation split needs the order of column `day`, which holds something else than numbers or ISO dates in "
        "4 rows; the first is `31/01/2024` in row 1 of `x`",
        "data.valid",
        'say how dates are written: `split(last: ..., by: day, format: "%d/%m/%Y")` | '
        "leave the cell of a missing date empty",
    )
    assert refused(since("15/03/2024"), FRENCH, locate)[0] == "E525"
    assert refused(since("2024-02-01"), FRENCH, locate)[:2] == (
        "E525",
        "the validation split needs the order of column `day`, which holds something else than numbers or ISO dates in "
        "4 rows; the first is `31/01/2024` in row 1 of `x`",
    )
    one_bad = pl.Series(["2024-01-01", "2024-01-02", "\\N", "2024-01-03"])
    for rule in (last(0.3), since("2024-01-02")):
        code, message, _, _ = refused(rule, one_bad, locate)
        assert (code, message.partition("which holds ")[2]) == (
            "E525",
            "something else than numbers or ISO dates in 1 row; the first is `\\N` in row 3 of `x`",
        )
    assert refused(since(3), pl.Series(["a", "4"]), locate)[0] == "E525"
    assert refused(last(0.5), pl.Series(["v9", "v10"]), locate)[0] == "E525"


def test_dates_of_a_format() -> None:
    assert taken(replace(last(0.3), format="%d/%m/%Y"), FRENCH) == [2]
    assert taken(replace(last(0.5), format="%d/%m/%Y"), FRENCH) == [1, 2]
    for value in ("01/02/2024", "2024-02-01", "20240201", 20240201):
        assert taken(replace(since(value), format="%d/%m/%Y"), FRENCH) == [1, 2]


@pytest.mark.parametrize("value", ["2024-01-09", "20240109", 20240109, 20240109.0, "2024-01-09 00:00"])
@pytest.mark.parametrize(
    "column",
    [
        pl.Series([20240108, 20240109, 20240110, None]),
        pl.Series(["20240108", "20240109", "20240110", None]),
        pl.Series([20240108.0, 20240109.0, 20240110.0, None]),
        pl.Series([dt.date(2024, 1, 8), dt.date(2024, 1, 9), dt.date(2024, 1, 10), None]),
        pl.Series(["2024-01-08", "2024-01-09", "2024-01-10", None]),
        pl.Series(["2024-01-08T01:00:00Z", "2024-01-09T07:00:00+07:00", "2024-01-10T00:00:00Z", ""]),
    ],
    ids=["int", "digits", "float", "date", "iso", "offset"],
)
def test_a_date_and_its_eight_digits_are_one(column: pl.Series, value: str | float) -> None:
    assert taken(since(value), column) == [1, 2]
    assert taken(last(0.3), column) == [2]


def test_hours_of_avazu() -> None:
    hours = pl.Series([14102100, 14102123, 14102200])
    assert taken(since("2014-10-22"), hours) == [2]
    assert taken(since("2014-10-21 23:00"), hours) == [1, 2]
    assert taken(since(14102123), hours) == [1, 2]


def test_seconds_are_compared_with_a_date() -> None:
    assert taken(since("2024-01-09"), pl.Series([1704671999, 1704758400, 1704844800])) == [1, 2]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt64, pl.String, pl.Int128])
def test_whole_numbers_are_compared_exactly(dtype: type[pl.DataType]) -> None:
    column = pl.Series([2**60 + step for step in range(-3, 4)]).cast(dtype)
    assert taken(since(2**60 + 1), column) == [4, 5, 6]
    assert taken(last(3 / 7), column) == [4, 5, 6]
    assert taken(last(3 / 9), pl.concat([column, pl.Series([5, None]).cast(dtype)])) == [4, 5, 6]
    assert taken(since(str(2**60 + 1)), column) == [4, 5, 6]
    assert taken(SplitPlan("equals", "day", 2**60 + 1, None), column) == [4]
