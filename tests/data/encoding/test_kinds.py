"""Numbers as numbers, dates, lists and sequences: what a cell becomes, and what a missing one does."""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.encoding import fitting, learners
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.fitting import EncoderFitting
from aesm_dsl.data.open_tables import open_table
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec
from tests.data.plans import fit_encoders


def plan_of(*features: str) -> Plan:
    text = "aesm = 1\nmodel m { features f {\n" + "\n".join(features) + "\n}\ntasks { task y } }"
    compiled = compile_loaded(Spec.parse(text), Findings())
    assert compiled is not None
    return compiled.plan


def encode(plan: Plan, train: pl.DataFrame, later: pl.DataFrame) -> tuple[list[list[int]], list[list[float]]]:
    """Through the encoders' JSON, as a run keeps them."""
    encoders = Encoders.from_json(fit_encoders(plan, train).to_json())
    assert encoders == fit_encoders(plan, train)
    ids_RS, value_RV = encoders.encode(later)
    assert ids_RS.shape == (later.height, plan.slots)
    assert value_RV.shape == (later.height, plan.values)
    return ids_RS.tolist(), value_RV.tolist()


def values(feature: str, train: list[float | None], later: pl.Series) -> list[float]:
    frame = pl.DataFrame({"x": pl.Series(train, dtype=pl.Float64)})
    _, found = encode(plan_of(feature), frame, pl.DataFrame({"x": later}))
    return [round(value, 5) for (value,) in found]


NAN = pytest.approx(math.nan, nan_ok=True)


def test_standard_numbers_have_the_mean_and_deviation_of_the_training_rows() -> None:
    train = [1.0, 3, 5, 7, None, math.nan, math.inf]
    found = values("x = number(scale: standard)", train, pl.Series([4.0, 4 + 5**0.5, None, math.nan, math.inf, 1e300]))
    assert found == [0.0, 1.0, NAN, NAN, NAN, 10.0]
    assert values("x = number(scale: standard)", train, pl.Series(["4", "", "-1e9"])) == [0.0, NAN, -10.0]


def test_logarithms_keep_the_sign() -> None:
    train = [0.0, math.e - 1, 1 - math.e]
    found = values("x = number(scale: log)", train, pl.Series([0.0, math.e - 1, 1 - math.e, None, -math.inf]))
    assert found == [0.0, pytest.approx(1.5**0.5, abs=1e-5), pytest.approx(-(1.5**0.5), abs=1e-5), NAN, NAN]


def test_numbers_as_they_are() -> None:
    assert values("x = number(scale: none)", [], pl.Series([2.5, -1e6, None, 1e300])) == [2.5, -1e6, NAN, NAN]


@pytest.mark.parametrize("train", [[], [None, math.nan], [3.0, 3.0]])
def test_numbers_without_spread(train: list[float | None]) -> None:
    (found,) = values("x = number(scale: standard)", train, pl.Series([4.0]))
    assert found == (1.0 if 3.0 in train else 4.0)


MOMENT = dt.datetime(2024, 2, 5, 22, 30)
EPOCH = int(MOMENT.replace(tzinfo=dt.UTC).timestamp())


@pytest.mark.parametrize(
    "cell",
    [
        MOMENT,
        MOMENT.replace(tzinfo=dt.UTC),
        MOMENT.replace(tzinfo=dt.UTC).astimezone(ZoneInfo("Asia/Shanghai")),
        EPOCH,
        EPOCH + 0.25,
        str(EPOCH),
        "2024-02-05 22:30",
        "2024-02-05T22:30:59.125",
        "2024-02-05T22:30Z",
        " 2024-02-06T06:30:00+08:00 ",
        "2024-02-05 17:30:00.5-0500",
    ],
    ids=str,
)
def test_a_moment_however_written(cell: object) -> None:
    plan = plan_of("x = date(parts: [hour, weekday, day, month])")
    frame = pl.DataFrame({"x": [cell, None]})
    ids, _ = encode(plan, frame, frame)
    # A Monday, the 5th of February; the parts lie one below the other: 25, 8, 32 and 13 rows.
    assert ids == [[23, 25 + 1, 33 + 5, 65 + 2], [0, 25, 33, 65]]
    assert plan.features[0].rows == 78
    assert plan.width == 4 * 16


def test_a_date_has_no_hour_but_the_first_and_zones_move_what_is_absolute() -> None:
    plan = plan_of('x = date(parts: [hour, day], zone: "Asia/Shanghai")')
    for cells, expected in (
        (pl.Series([MOMENT.date()]), [1, 25 + 5]),
        (pl.Series(["2024-02-05"]), [1, 25 + 5]),
        (pl.Series([MOMENT]), [23, 25 + 5]),
        (pl.Series([EPOCH]), [7, 25 + 6]),
        (pl.Series(["2024-02-05T22:30Z"]), [7, 25 + 6]),
    ):
        frame = pl.DataFrame({"x": cells})
        assert encode(plan, frame, frame)[0] == [expected]


def test_what_is_no_date_is_missing() -> None:
    frame = pl.DataFrame({"x": ["yesterday", "", "2024-13-01", "1e300", "nan", None]})
    assert encode(plan_of("x = date(parts: month)"), frame, frame)[0] == [[0]] * 6


LISTS = [["a", "b", "a"], ["c", None, "", "a", "b"], [None, ""], [], None]


def test_a_list_takes_its_first_values_and_leaves_missing_ones_out() -> None:
    frame = pl.DataFrame({"x": LISTS})
    plan = plan_of("x = list(of: category(), most: 2)")
    assert encode(plan, frame, frame)[0] == [[2, 3], [4, 2], [-1, -1], [-1, -1], [-1, -1]]
    assert plan.features[0].width == 16


def test_a_sequence_takes_its_last_values_the_newest_first() -> None:
    frame = pl.DataFrame({"x": LISTS})
    found, _ = encode(plan_of("x = sequence(of: category(), last: 3)"), frame, frame)
    assert found == [[2, 3, 2], [3, 2, 4], [-1] * 3, [-1] * 3, [-1] * 3]


def test_lists_as_text_mean_the_same() -> None:
    plan = plan_of('x = list(of: category(), most: 2, separator: "|")')
    text = pl.DataFrame({"x": ["a|b|a", "c||a | b", "|", "", None]})
    assert encode(plan, text, text)[0] == [[2, 3], [4, 2], [-1, -1], [-1, -1], [-1, -1]]
    assert encode(plan, text, pl.DataFrame({"x": LISTS}))[0] == encode(plan, text, text)[0]


def test_lists_of_numbers_and_arrays() -> None:
    plan = plan_of("x = list(of: category(), most: 3)")
    whole = pl.DataFrame({"x": [[1, 2], [2, 2]]})
    for later in (
        pl.Series([[1.0, math.nan, 2.0]]),
        pl.Series([["1", None, "2"]]),
        pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2)),
    ):
        assert encode(plan, whole, pl.DataFrame({"x": later}))[0] == [[3, 2, -1]]


def test_a_sequence_shares_the_ids_of_its_feature() -> None:
    plan = plan_of("seen = sequence(of: fund, last: 2)", "fund = category(limit: 2)", "n = number(scale: none)")
    train = pl.DataFrame({"fund": ["a", "a", "b"], "seen": [["z", "z"], ["z"], ["z"]], "n": [0.0, 0.0, 0.0]})
    later = pl.DataFrame({"fund": ["a", "b"], "seen": [["b", "a"], ["z"]], "n": [1.0, None]})
    ids, numbers = encode(plan, train, later)
    assert ids == [[2, 3, 2], [1, -1, 3]]
    assert numbers == [[1.0], [NAN]]
    fitted = plan.with_rows(fit_encoders(plan, train).rows())
    assert [feature.rows for feature in fitted.features] == [4, 4, 0]


def test_chunks_teach_the_same_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "BLOCK", 32)
    monkeypatch.setattr(learners, "SAMPLE", 50)
    plan = plan_of(
        "x = number(scale: log)",
        "y = number()",
        "z = list(of: category(min_count: 2))",
        "w = date(column: x)",
        "v = list(of: number(), column: z)",
    )
    chance = np.random.default_rng(0)
    x = chance.lognormal(size=300)
    z = [[str(k) for k in chance.geometric(0.3, size)] for size in chance.integers(0, 4, 300)]
    frame = pl.DataFrame({"x": x, "y": x, "z": z})
    whole = EncoderFitting(plan)
    whole.update(frame)
    for size in (1, 7, 100):
        chunks = EncoderFitting(plan)
        for start in range(0, 300, size):
            chunks.update(frame[start : start + size])
        assert chunks.finish() == whole.finish()
    first, second = EncoderFitting(plan), EncoderFitting(plan, first_row=160)
    first.update(frame[:160])
    second.update(frame[160:])
    first.merge(second)
    merged, one = first.finish().encoders, whole.finish().encoders
    assert merged[1:] == one[1:]
    assert merged[0].mean == pytest.approx(one[0].mean)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("feature", "cells", "told"),
    [
        ("x = date()", pl.Series(["2024-01-31", "soon"]), "needs dates, but column `x` holds something else in 1 row"),
        ("x = date()", pl.Series([True]), "needs dates, but column `x` of `t` holds true and false"),
        ("x = list(of: id())", pl.Series(["a|b"]), "needs lists, but column `x` of `t` holds single values"),
        (
            "x = list(of: number())",
            pl.Series([["1", "one"], ["2"]]),
            "needs numbers, but column `x` holds text in 1 row",
        ),
        ("x = list(of: id())", pl.Series([[[1]]]), "needs lists, but column `x` of `t` holds lists of lists"),
        ("x = list(of: id())", pl.Series([[1.0, 2.5]]), "needs whole numbers or text, but column `x` holds"),
        ("x = id()", pl.Series([2.0**53]), "needs whole numbers or text, but column `x` holds"),
        ("x = id()", pl.Series([2.0**24], dtype=pl.Float32), "needs whole numbers or text, but column `x` holds"),
        ("x = id()", pl.Series([["a"]]), "needs whole numbers or text, but column `x` of `t` holds lists"),
        ("x = number(scale: log)", pl.Series(["1", "one"]), "needs numbers, but column `x` holds text in 1 row"),
    ],
)
def test_a_column_that_does_not_fit_is_told(feature: str, cells: pl.Series, told: str) -> None:
    findings = Findings()
    frame = pl.DataFrame({"x": cells})
    reading = open_table(plan_of(feature), open_frames(frame, "t", findings), findings, lambda path: None, labels=False)
    if not findings.errors:
        reading.check_all(())
    (finding,) = findings.errors
    assert finding.code == "E504"
    assert finding.message.startswith(f"feature `x` {told}")
    assert finding.help
