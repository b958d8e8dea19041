"""One value has one id, whatever the type of its column: numbers, text, decimals; and forms of numbers and dates."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.fitting import EncoderFitting
from aesm_dsl.plan.plan import Plan
from tests.data.encoding.test_kinds import plan_of

KINDS = (
    "x = category()",
    "x = id(buckets: 50)",
    "x = number(quantiles: 4)",
    "x = number(scale: standard)",
    "x = number(scale: log)",
    'x = list(of: category(), most: 2, separator: "|")',
    'x = list(of: number(quantiles: 4), most: 2, separator: "|")',
)


def fitted(plan: Plan, column: pl.Series) -> Encoders:
    fitting = EncoderFitting(plan)
    fitting.update(pl.DataFrame({"x": column}))
    return fitting.finish()


def encoded(encoders: Encoders, column: pl.Series) -> list[list[float]]:
    ids_RS, value_RV = encoders.encode(pl.DataFrame({"x": column}))
    return [list(row) for row in np.hstack([ids_RS, np.nan_to_num(value_RV, nan=-99.0)]).tolist()]


WHOLE = st.lists(st.none() | st.integers(-120, 120), min_size=1, max_size=30)
CENTS = st.lists(st.none() | st.integers(-(10**6), 10**6), min_size=1, max_size=30)


@pytest.mark.parametrize("kind", KINDS)
@given(WHOLE)
def test_whole_numbers_of_every_type(kind: str, values: list[int | None]) -> None:
    if "list" in kind and "number" not in kind:
        values = [value for value in values if value is not None] or [1]
    text = [None if value is None else str(value) for value in values]
    forms = [
        *(pl.Series(values, dtype=dtype) for dtype in (pl.Int8, pl.Int16, pl.Int64, pl.Int128, pl.Float32, pl.Float64)),
        pl.Series(values, dtype=pl.Int64).cast(pl.Decimal(10, 2)),
        pl.Series(text, dtype=pl.String),
        pl.Series(text, dtype=pl.Categorical),
    ]
    plan = plan_of(kind)
    for trained in (forms[0], forms[4], forms[6], forms[7]):
        encoders = fitted(plan, trained)
        expected = encoded(encoders, forms[0])
        assert all(encoded(encoders, form) == expected for form in forms), kind


@pytest.mark.parametrize("kind", ["x = category()", "x = id(buckets: 50)", "x = number(quantiles: 4)"])
@given(CENTS)
def test_decimals_of_every_type(kind: str, cents: list[int | None]) -> None:
    decimals = [None if one is None else Decimal(one) / 100 for one in cents]
    exact = pl.Series(decimals, dtype=pl.Decimal(12, 2))
    forms = [
        exact,
        exact.cast(pl.Float64),
        exact.cast(pl.Float64).cast(pl.Float32),
        exact.cast(pl.Float64).cast(pl.String),
    ]
    encoders = fitted(plan_of(kind), forms[1])
    same = forms if kind.endswith("4)") else [forms[0], forms[1]]
    assert all(encoded(encoders, form) == encoded(encoders, forms[1]) for form in same)


@pytest.mark.parametrize("scale", ["quantiles: 4", "scale: standard", "scale: none"])
@given(CENTS)
def test_a_form_reads_the_number_that_it_writes(scale: str, cents: list[int | None]) -> None:
    numbers = pl.Series([None if one is None else one / 100 for one in cents], dtype=pl.Float64)
    german = [None if one is None else f"{one / 100:,.2f} €".translate(str.maketrans(",.", ".,")) for one in cents]
    plan = plan_of(f'x = number({scale}, decimal: ",", thousands: ".", strip: "€")')
    encoders = fitted(plan, pl.Series(german, dtype=pl.String))
    assert encoded(encoders, pl.Series(german, dtype=pl.String)) == encoded(encoders, numbers)
    assert encoded(fitted(plan, numbers), numbers) == encoded(encoders, numbers)
    assert encoded(fitted(plan_of(f"x = number({scale})"), numbers), numbers) == encoded(encoders, numbers)


def test_percentages_are_hundredths_in_every_type() -> None:
    encoders = fitted(plan_of("x = number(scale: none, percent: true)"), pl.Series(["5%", "7.5 %"]))
    for column in (pl.Series(["5%", " 7.5 % ", "-1"]), pl.Series([5.0, 7.5, -1.0]), pl.Series([5, 7, -1])):
        five, _, minus = encoders.encode(pl.DataFrame({"x": column}))[1][:, 0].tolist()
        assert (five, minus) == (pytest.approx(0.05), pytest.approx(-0.01))


MOMENT = dt.datetime(2014, 10, 21, 9)


@pytest.mark.parametrize(
    "cell",
    [
        pl.Series([MOMENT]),
        pl.Series(["2014-10-21 09:00"]),
        pl.Series(["2014-10-21T11:00:00+02:00"]),
        pl.Series([14102109]),
        pl.Series(["14102109"]),
        pl.Series([14102109.0], dtype=pl.Float64),
        pl.Series([1413882000]),
        pl.Series(["1413882000"]),
    ],
)
def test_a_moment_in_every_form(cell: pl.Series) -> None:
    plan = plan_of("x = date(parts: [hour, weekday, day, month])")
    encoders = fitted(plan, cell)
    assert encoded(encoders, cell) == encoded(encoders, pl.Series([MOMENT])) == [[10, 25 + 2, 33 + 21, 65 + 10]]


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        ("%d/%m/%Y %H:%M", "21/10/2014 09:00"),
        ("%d-%b-%y %I %p", "21-Oct-14 9 am"),
        ("%y%m%d%H", 14102109),
        ("%Y%m%d%H", 2014102109),
        ("%Y%m%d%H%M%S", 20141021090000),
        ("%s", 1413882000),
        ("%Y-%j %H.%M", "2014-294 09.00"),
    ],
)
def test_a_moment_of_a_format(form: str, cell: str | int) -> None:
    plan = plan_of(f'x = date(format: "{form}", parts: [hour, weekday, day, month])')
    for column in (pl.Series([cell]), pl.Series([str(cell)])):
        assert encoded(fitted(plan, column), column) == [[10, 25 + 2, 33 + 21, 65 + 10]]


def test_eight_digits_are_a_day() -> None:
    encoders = fitted(plan_of("x = date(parts: [day, month])"), pl.Series([20240131]))
    for cell in (20240131, "20240131", 20240131.0, dt.date(2024, 1, 31)):
        assert encoded(encoders, pl.Series([cell])) == [[31, 32 + 1]]
    assert encoded(encoders, pl.Series([9010203])) == [[15, 32 + 4]], "seven digits are seconds"


def test_encoders_of_the_format_before_go_on_as_they_did() -> None:
    stored = {
        "format": 3,
        "features": [
            {"kind": "date", "name": "d", "column": "d", "parts": ["month"], "zone": ""},
            {"kind": "number", "name": "n", "column": "n", "rows": 4, "boundaries": [0.1, 16777217.0]},
            {"kind": "shared", "name": "s", "column": "n", "of": "n"},
            {
                "kind": "list", "name": "l", "column": "n", "slots": 1, "last": False, "separator": "",
                "of": {"kind": "number", "name": "l", "column": "n", "rows": 3, "boundaries": [0.1]},
            },
        ],
    }  # fmt: skip
    old = Encoders.from_json(json.dumps(stored))
    rows = pl.DataFrame({"d": [20241021], "n": [0.1]})
    assert old.encode(rows)[0].tolist() == [[8, 1, 1, 1]], "seconds in August 1970; on the boundary"
    assert old.encode(rows.with_columns(n=pl.lit(16777218.0)))[0].tolist() == [[8, 3, 3, 2]]
    assert Encoders.from_json(old.to_json()).encode(rows)[0].tolist() == [[8, 1, 1, 1]]
