"""Sequences whose values at one place make a step, and the time from a step to its row, against loops."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.encoding.list_encoders import StepsEncoder
from aesm_dsl.data.reading.elapsed import bucket_of_seconds
from tests.data.encoding.test_kinds import encode, plan_of
from tests.data.plans import fit_encoders

ITEMS = ("item = category()", "seen = sequence(of: item, last: 3)")
ROWS = pl.DataFrame(
    {
        "item": ["a", "b", "a", "c", "b"],
        "seen": [["a", None, "b", "c"], ["a", None], [], None, ["zzz"]],
        "how": ["buy||click|buy", "|", None, "", "view"],
        "at": [[10, 20, None, 95], [1, 2], [], None, [10**9]],
        "now": [100, 2, 7, 8, 10],
    }
)
TRAIN = ROWS.with_columns(seen=[["a", "a", "b", "c"], ["a", "b"], [], None, ["c"]])


def test_steps_keep_their_values_together() -> None:
    """A missing value keeps its place; a step with nothing but its time is left out; the newest comes first."""
    plan = plan_of(
        'how = sequence(of: category(), with: seen, separator: "|")',
        *ITEMS,
        "at = sequence(of: elapsed(until: now), with: seen)",
    )
    assert [(one.name, one.slots, one.pool, one.steps) for one in plan.features if one.pool] == [
        ("how", 3, "mean", "seen"),
        ("seen", 3, "mean", ""),
        ("at", 3, "mean", "seen"),
    ]
    ids, _ = encode(plan, TRAIN, ROWS)
    # how: buy 2, click 3, view 4; items: a 2, b 3, c 4 (ties in the order of their letters), others 1.
    # Seconds: 5 has 3 bits, 80 has 7, 90 has 7; later than the row is less than a second ago.
    assert ids == [
        [2, 3, 2, 2, 4, 3, 2, 4, 0, 8],
        [0, -1, -1, 3, 2, -1, -1, 2, -1, -1],
        [-1, -1, -1, 2, -1, -1, -1, -1, -1, -1],
        [-1, -1, -1, 4, -1, -1, -1, -1, -1, -1],
        [4, -1, -1, 3, 1, -1, -1, 1, -1, -1],
    ]


def test_rows_of_uneven_sequences_have_no_steps() -> None:
    """They are an error where they are read; where a bad row is left out, the others are encoded as they are."""
    plan = plan_of(*ITEMS, "at = sequence(of: elapsed(until: now), with: seen)")
    uneven = ROWS.with_columns(at=pl.Series([[10], [1, 2], [], None, [10**9]]))
    ids, even = encode(plan, TRAIN, uneven)[0], encode(plan, TRAIN, ROWS)[0]
    assert ids[0] == [2, -1, -1, -1, -1, -1, -1]
    assert ids[1:] == even[1:]


@pytest.mark.parametrize(
    ("at", "now"),
    [
        (["2024-03-01 10:00:00", "2024-03-01T11:59:59Z", "2024-03-01 14:00:00+02:00"], "2024-03-01 12:00"),
        ([1709287200, 1709294399, 1709294400], 1709294400),
        ([datetime(2024, 3, 1, 10), datetime(2024, 3, 1, 11, 59, 59), datetime(2024, 3, 1, 12)], "20240301"),
    ],
)
def test_times_are_written_in_many_ways(at: list[object], now: object) -> None:
    plan = plan_of("at = sequence(of: elapsed(until: now), last: 3)")
    rows = pl.DataFrame({"at": pl.Series([at]), "now": [now]})
    late = isinstance(now, str) and len(now) == 8  # the day began before
    assert encode(plan, rows, rows)[0] == [[1, 1, 1] if late else [1, 2, 14]]


def test_seconds_and_forms_of_times() -> None:
    rows = pl.DataFrame(
        {"ago": ["0.9 1 3 -5", ""], "at": ["1/3/2024|28/2/2024", "2/1/2024"], "now": ["2/3/2024", None]}
    )
    plan = plan_of(
        'ago = sequence(of: elapsed(), last: 4, separator: " ")',
        'at = sequence(of: elapsed(until: now, format: "%d/%m/%Y"), last: 2, separator: "|")',
    )
    # Without anything but times, a step without one is left out.
    assert encode(plan, rows, rows)[0] == [[1, 3, 2, 1, 19, 18], [-1] * 6]
    assert 1 + math.floor(math.log2(3 * 86_400)) + 1 == 19


def test_buckets_are_twice_as_long_as_those_before() -> None:
    def twin(seconds: float) -> int:
        if math.isnan(seconds) or math.isinf(seconds):
            return 0
        return 1 if seconds < 1 else min(2 + math.floor(math.log2(math.floor(seconds))), 32)

    chance = np.random.default_rng(0)
    powers = [2.0**k + around for k in range(34) for around in (-1, -0.5, 0, 0.5)]
    seconds = np.array([*powers, *(2 ** chance.uniform(-3, 40, 500)), -1.0, -1e18, 0.0, math.nan, math.inf, 1e300])
    assert bucket_of_seconds(seconds).tolist() == [twin(one) for one in seconds.tolist()]


def test_a_sequence_alone_is_encoded_as_ever() -> None:
    """Servers know how: a list, whose missing values are left out."""
    text = plan_of(*ITEMS)
    assert [one.steps for one in text.features] == ["", ""]
    assert not isinstance(fit_encoders(text, TRAIN).encoders[1], StepsEncoder)
