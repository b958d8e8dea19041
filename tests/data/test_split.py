"""Which rows a split takes, and what is said when it cannot."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.check import Locate
from aesm_dsl.data.split import take
from aesm_dsl.diagnostic import Findings
from aesm_dsl.plan import SplitPlan


def taken(rule: SplitPlan, column: pl.Series, part: str = "test", seed: int = 7) -> list[int]:
    findings = Findings()
    mask = take(part, rule, pl.DataFrame({"day": column}), seed, findings, lambda key: None)
    assert not findings.items
    assert mask is not None
    return np.flatnonzero(mask).tolist()


def refused(rule: SplitPlan, column: pl.Series, locate: Locate) -> tuple[str, str, str, str]:
    findings = Findings()
    assert take("valid", rule, pl.DataFrame({"day": column}), 7, findings, locate) is None
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
    assert taken(since("b"), pl.Series(["a", "b", None, "c"])) == [1, 3]
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
    mask = take(
        "test",
        last(share),
        pl.DataFrame({"day": pl.Series(values, dtype=pl.Int64)}),
        0,
        Findings(),
        lambda key: None,
    )
    if mask is not None:
        into = {value for value, one in zip(values, mask, strict=True) if one}
        stay = {value for value, one in zip(values, mask, strict=True) if not one}
        assert None not in into
        assert min(v for v in into if v is not None) > max((v for v in stay if v is not None), default=-1)


def test_random_is_seeded_and_stable() -> None:
    rule = SplitPlan("random", None, None, 0.25)
    column = pl.Series(range(1000))
    first = taken(rule, column)
    assert len(first) == 250
    assert first == taken(rule, column)
    assert first[:6] == [2, 7, 10, 17, 21, 32]
    assert first != taken(rule, column, seed=8)
    both = set(first) & set(taken(rule, column, part="valid"))
    assert 30 < len(both) < 95


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


@pytest.mark.parametrize(
    ("rule", "column", "held"),
    [
        (since(3), pl.Series(DAYS), "dates"),
        (since("soon"), pl.Series(DAYS), "dates"),
        (since("soon"), pl.Series([1, 2]), "numbers"),
        (since(3), pl.Series(["a", "4"]), "text"),
    ],
)
def test_a_value_of_another_kind(rule: SplitPlan, column: pl.Series, held: str, locate: Locate) -> None:
    code, message, span, help = refused(rule, column, locate)
    assert (code, span) == ("E504", "data.valid")
    assert message == f"the validation split cannot compare column `day` ({held}) with `{rule.value}`"
    assert help == "compare dates with an ISO date, numbers with a number"
