"""Vocabularies, hashed ids and quantile buckets: learnt once, and inside their tables ever after."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.quantiles import quantile_boundaries
from aesm_dsl.plan.features import FeaturePlan
from tests.data.plans import Make, fit_encoders

make = Make()


def fit(feature: FeaturePlan, values: pl.Series) -> Encoders:
    return fit_encoders(make.plan([feature]), pl.DataFrame({feature.column: values}))


def ids(encoders: Encoders, values: pl.Series) -> list[int]:
    column = encoders.encoders[0].column
    return [int(row[0]) for row in encoders.encode(pl.DataFrame({column: values}))[0]]


# category ---------------------------------------------------------------------------------------------------


def test_the_most_frequent_value_comes_first_and_ties_go_by_text() -> None:
    city = make.feature("city", "category", 100)
    encoders = fit(city, pl.Series(["b", "c", "a", "c", None, "b", "", "d"]))
    assert encoders.encoders[0].values == ("b", "c", "a", "d")  # type: ignore[union-attr]
    assert ids(encoders, pl.Series(["b", "c", "a", "d", "new", None, ""])) == [2, 3, 4, 5, 1, 0, 0]
    assert encoders.rows() == {"city": 6}


def test_rare_values_share_one_slot() -> None:
    city = make.feature("city", "category", 100, min_count=2)
    encoders = fit(city, pl.Series(["a", "a", "b"]))
    assert ids(encoders, pl.Series(["a", "b"])) == [2, 1]


def test_the_plan_caps_the_vocabulary() -> None:
    encoders = fit(make.feature("city", "category", 4), pl.Series(["a", "a", "b", "b", "c"]))
    assert encoders.rows() == {"city": 4}
    assert ids(encoders, pl.Series(["a", "b", "c"])) == [2, 3, 1]
    for rows in (1, 2):
        assert ids(fit(make.feature("city", "category", rows), pl.Series(["a"])), pl.Series(["a", None])) == [1, 0]


def test_a_column_of_nothing_but_missing_values() -> None:
    encoders = fit(make.feature("city", "category", 9), pl.Series([None, None], dtype=pl.String))
    assert encoders.rows() == {"city": 2}
    assert ids(encoders, pl.Series(["x", None])) == [1, 0]


def test_categories_of_any_type_are_their_text() -> None:
    """An integer column that a later table holds as floats, text or 8-bit integers means the same."""
    encoders = fit(make.feature("code", "category", 9), pl.Series([1, 1, 2]))
    for later in (pl.Series([1.0, 2.0, math.nan]), pl.Series(["1", "2", ""]), pl.Series([1, 2, None], dtype=pl.Int8)):
        assert ids(encoders, later) == [2, 3, 0]
    dates = fit(make.feature("day", "category", 9), pl.Series([dt.date(2020, 1, 1)]))
    assert ids(dates, pl.Series([dt.datetime(2020, 1, 1)])) == [2]
    assert ids(fit(make.feature("b", "category", 9), pl.Series([True])), pl.Series(["true", "1"])) == [2, 1]


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.randoms(use_true_random=False))
def test_the_vocabulary_does_not_depend_on_the_order_of_rows(values: list[str], chance: object) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    city = make.feature("city", "category", 100)
    first, second = (fit(city, pl.Series(v, dtype=pl.String)) for v in (values, shuffled))
    assert first == second
    twin = tuple(value for value, _ in sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
    assert first.encoders[0].values == twin  # type: ignore[union-attr]


# id ---------------------------------------------------------------------------------------------------------


def test_ids_beyond_24_bits_do_not_collide_by_rounding() -> None:
    """As float32 these two would be one row."""
    encoders = fit(make.feature("user", "id", 1_000_001), pl.Series([0]))
    a, b = ids(encoders, pl.Series([2**24, 2**24 + 1]))
    assert a != b
    many = ids(encoders, pl.Series(range(2**53, 2**53 + 1000), dtype=pl.Int64))
    assert len(set(many)) > 990


def test_an_id_hashes_alike_from_parquet_and_from_csv() -> None:
    encoders = fit(make.feature("user", "id", 1001), pl.Series([0]))
    assert ids(encoders, pl.Series([5, 2**63 - 1])) == ids(encoders, pl.Series(["5", str(2**63 - 1)]))


def test_golden_ids() -> None:
    encoders = fit(make.feature("user", "id", 1001), pl.Series([0]))
    assert encoders.rows() == {"user": 1001}
    assert ids(encoders, pl.Series([0, 1234567, None])) == [
        0xE220A8397B1DCDAF % 1000 + 1,
        6457827717110365317 % 1000 + 1,
        0,
    ]


# number -----------------------------------------------------------------------------------------------------


def test_quantile_buckets_hold_equal_parts() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    encoders = fit(make.feature("age", "number", 9), pl.Series(values))
    assert encoders.rows() == {"age": 9}
    assert np.bincount(ids(encoders, pl.Series(values)), minlength=9).tolist() == [0] + [1250] * 8


def test_missing_and_infinite_numbers() -> None:
    encoders = fit(make.feature("age", "number", 5), pl.Series([1.0, 2, 3, 4, math.nan, math.inf, None]))
    later = pl.Series([math.nan, None, -math.inf, -9, 1, 2.5, 4, 9, math.inf])
    assert ids(encoders, later) == [0, 0, 1, 1, 1, 2, 4, 4, 4]


def test_few_distinct_values_have_a_bucket_each_however_tied() -> None:
    values = [0.0] * 9990 + [1.0] * 9 + [2.0]
    assert ids(fit(make.feature("n", "number", 17), pl.Series(values)), pl.Series([0, 1, 2])) == [1, 2, 3]


def test_a_heavy_tie_leaves_the_other_buckets_to_the_rest() -> None:
    values = np.concatenate([np.zeros(9000), np.arange(1, 1001)])
    edges = quantile_boundaries(values, 16)
    assert edges.all[0] == 0.5
    assert len(edges.all) == 15
    assert np.bincount(edges.bucket_of(values))[1:].max() <= 70


@pytest.mark.parametrize("values", [[], [3.0], [3.0] * 50, [math.nan], [math.inf, -math.inf], [1e308, -1e308]])
def test_degenerate_columns_do_not_crash(values: list[float]) -> None:
    encoders = fit(make.feature("n", "number", 5), pl.Series(values, dtype=pl.Float64))
    assert all(0 <= i < 5 for i in ids(encoders, pl.Series([*values, 0.0, math.nan, math.inf, -math.inf])))


def test_dates_datetimes_and_booleans_are_numbers() -> None:
    days = [dt.date(2020, 1, day) for day in range(1, 5)]
    encoders = fit(make.feature("day", "number", 5), pl.Series(days))
    assert ids(encoders, pl.Series(days)) == [1, 2, 3, 4]
    assert ids(encoders, pl.Series([dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 2, 13)])) == [2, 3]
    assert ids(encoders, pl.Series(["2020-01-03"])) == [3]
    assert ids(fit(make.feature("b", "number", 5), pl.Series([True, False])), pl.Series([False, True, None])) == [
        1,
        2,
        0,
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60), st.integers(1, 12))
def test_boundaries_lie_between_the_values(values: list[float], buckets: int) -> None:
    edges = quantile_boundaries(np.array(values, dtype=np.float64), buckets)
    assert len(edges.all) <= max(buckets - 1, 0)
    assert list(edges.all) == sorted(set(edges.all))
    assert all(float(np.float32(edge)) == edge for edge in edges.narrow)
    ordered = np.array(sorted(set(values)), dtype=np.float64)
    buckets_of = edges.bucket_of(ordered)
    assert list(buckets_of) == sorted(buckets_of)
    assert len(set(buckets_of.tolist())) == (len(edges.all) + 1 if values else 0)
    if len(ordered) <= buckets:
        assert len(set(buckets_of.tolist())) == len(ordered)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=60), st.integers(1, 12))
def test_a_number_of_float32_has_one_bucket_in_every_form(values: list[float], buckets: int) -> None:
    """Trained on any of them; as a decimal of as many digits as tell all float32 apart."""
    narrow = np.array(values, dtype=np.float32)
    decimals = np.array([float(f"{value:.9g}") for value in narrow])
    for trained in (narrow.astype(np.float64), decimals):
        edges = quantile_boundaries(trained, buckets)
        expected = edges.bucket_of(narrow.astype(np.float64)).tolist()
        assert edges.bucket_of(decimals).tolist() == expected


@given(st.lists(st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), max_size=60), st.integers(1, 12))
def test_decimals_have_one_bucket_as_float64_and_as_float32(values: list[float], buckets: int) -> None:
    """Those of the column, and any other number, but for those that float32 cannot tell apart."""
    wide = np.array(values, dtype=np.float64)
    edges = quantile_boundaries(wide, buckets)
    others = np.concatenate([wide, wide + 0.01, np.array(edges.narrow)])
    if not edges.wide:
        assert (
            edges.bucket_of(others.astype(np.float32).astype(np.float64)).tolist() == edges.bucket_of(others).tolist()
        )


def test_whole_numbers_beyond_float32_keep_their_own_buckets() -> None:
    for start in (2**24, 2**31, 2**52):
        numbers = np.arange(start, start + 16, dtype=np.float64)
        assert quantile_boundaries(numbers, 16).bucket_of(numbers).tolist() == list(range(16))
    touching = np.array([1.0, np.nextafter(1.0, 2.0), 2.0, 1e39, 1e40])
    assert quantile_boundaries(touching, 5).bucket_of(touching).tolist() == [0, 1, 2, 3, 4]
    around = np.array([2.0**24 - 1e-4, 2.0**24 + 1e-4])  # halfway lies a float32
    assert quantile_boundaries(around, 2).bucket_of(around).tolist() == [0, 1]


# all --------------------------------------------------------------------------------------------------------

KINDS = {"category": 6, "id": 12, "number": 5}
COLUMN = st.one_of(
    st.lists(st.one_of(st.none(), st.floats()), max_size=20).map(lambda v: pl.Series(v, dtype=pl.Float64)),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20).map(
        lambda v: pl.Series(v, dtype=pl.Int64)
    ),
    st.lists(st.one_of(st.none(), st.text(max_size=4)), max_size=20).map(lambda v: pl.Series(v, dtype=pl.String)),
    st.lists(st.one_of(st.none(), st.dates()), max_size=20).map(lambda v: pl.Series(v, dtype=pl.Date)),
    st.lists(st.one_of(st.none(), st.booleans()), max_size=20).map(lambda v: pl.Series(v, dtype=pl.Boolean)),
)


@given(COLUMN, COLUMN)
def test_ids_of_any_later_table_lie_inside_the_tables(train: pl.Series, later: pl.Series) -> None:
    features = [make.feature(kind, kind, rows, column="x") for kind, rows in KINDS.items()]
    encoders = fit_encoders(make.plan(features), pl.DataFrame({"x": train}))
    assert Encoders.from_json(encoders.to_json()) == encoders
    rows = encoders.rows()
    assert all(rows[kind] <= most for kind, most in KINDS.items())
    for table in (train, later):
        ids_RS, value_RV = encoders.encode(pl.DataFrame({"x": table}))
        assert ids_RS.dtype == np.int32
        assert value_RV.shape == (len(table), 0)
        assert ids_RS.shape == (len(table), 3)
        assert (ids_RS >= 0).all()
        assert (ids_RS < np.array([rows[kind] for kind in KINDS])).all()


def test_round_trip_is_exact() -> None:
    features = [make.feature("city", "category", 9), make.feature("user", "id", 9), make.feature("x", "number", 9)]
    frame = pl.DataFrame({"city": ["北京", 'q"\n'], "user": [1, 2], "x": [0.1 + 0.2, math.pi]})
    encoders = fit_encoders(make.plan(features), frame)
    text = encoders.to_json()
    assert Encoders.from_json(text) == encoders
    assert Encoders.from_json(text).to_json() == text
    with pytest.raises(ValueError, match="encoders of format 99"):
        Encoders.from_json('{"format": 99}')


def test_an_unknown_kind_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="unknown kind 'list'"):
        fit(make.feature("x", "list", 9), pl.Series([1]))
