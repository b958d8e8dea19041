"""What looks at all rows before it speaks: every finding the same however the rows come in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.checks import duplicate_rows
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.constant_features import ConstantFeatures
from aesm_dsl.data.checks.duplicate_files import DuplicateFiles
from aesm_dsl.data.checks.duplicate_rows import DuplicateRows
from aesm_dsl.data.checks.label_separation import separation
from aesm_dsl.data.checks.leaks import LabelLeaks
from aesm_dsl.data.checks.leaves import LeafCounts, LeafIndex
from aesm_dsl.data.checks.time_order import TimeOrder
from aesm_dsl.data.open_tables import check_tables
from aesm_dsl.data.reading.checked_rows import CheckedRows, TableCheck, update_checks
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import DataPlan, SplitPlan
from aesm_dsl.plan.plan import UNKNOWN, Plan
from tests.data.plans import Make

make = Make()
CUTS = [(), (1, 2), (7, 350, 399)]


def cut(
    frame: pl.DataFrame, plan: Plan, label_RT: Any, node_RL: Any, at: Sequence[int], part: str = "train"
) -> list[CheckedRows]:
    """The rows in chunks that end at these rows."""
    label_RT, node_RL = np.asarray(label_RT, np.float32), np.asarray(node_RL, np.int64)
    ends = [0, *at, frame.height]
    return [
        CheckedRows(
            part,
            TableRows(frame[start:stop], "t.csv", start, start),
            node_RL[start:stop].reshape(stop - start, len(plan.levels)),
            label_RT[start:stop].reshape(stop - start, len(plan.tasks.tasks)),
            np.ones(stop - start, np.float32),
        )
        for start, stop in pairwise(ends)
    ]


def told(survey: TableCheck, chunks: Sequence[CheckedRows]) -> list[tuple[str, str, str]]:
    findings = Findings()
    for chunk in chunks:
        update_checks([survey], chunk)
    survey.report(findings)
    return [(one.code, one.message, one.span.text if one.span else "") for one in findings]


@pytest.mark.parametrize("at", CUTS)
def test_features_that_say_nothing(at: Sequence[int], locate: Locate) -> None:
    plan = make.plan([make.feature(name, "category", 9) for name in ("a", "b", "c", "d", "e")])
    frame = pl.DataFrame(
        {
            "a": ["x"] * 400,
            "b": [None, ""] * 200,
            "c": ["x"] * 399 + ["y"],
            "d": [1.0] * 399 + [None],
            "e": [["p", "q"]] * 400,
        },
        strict=False,
    )
    labels, nodes = [0, 1] * 200, np.zeros((400, 0))
    chunks = cut(frame, plan, labels, nodes, at)
    assert told(ConstantFeatures(plan, locate), chunks) == [
        ("W504", "column `a` is `x` in all 400 training rows", "features.user.a"),
        ("W505", "column `b` is missing in all 400 training rows", "features.user.b"),
        ("W504", "column `e` is `p\0q` in all 400 training rows", "features.user.e"),
    ]
    blank = make.plan(plan.features[:2])
    assert told(ConstantFeatures(blank, locate), chunks) == [
        ("E512", "every feature has one value in all 400 training rows", "features.user.a")
    ]
    assert told(ConstantFeatures(blank, locate), [replace(chunk, part="test") for chunk in chunks]) == []


@pytest.mark.parametrize("at", CUTS)
def test_a_feature_that_tells_the_label_is_a_leak_and_an_id_is_none(at: Sequence[int], locate: Locate) -> None:
    draw = np.random.default_rng(0)
    label = (draw.random(400) < 0.3).astype(float)
    frame = pl.DataFrame(
        {
            "above": label * 3 + draw.random(400),
            "middle": np.where(label == 1, 0.0, draw.choice([-1.0, 1.0], 400)),
            "word": np.where(label == 1, draw.choice(["b", "d"], 400), draw.choice(["a", "c"], 400)),
            "lone": np.arange(400),
            "noise": draw.random(400),
            "gap": [None if one else 1.0 for one in label],
        }
    )
    kinds = {
        "above": "number",
        "middle": "number",
        "word": "category",
        "lone": "id",
        "noise": "number",
        "gap": "number",
    }
    plan = make.plan([make.feature(name, kind, 9) for name, kind in kinds.items()])
    found = told(LabelLeaks(plan, locate), cut(frame, plan, label, np.zeros((400, 0)), at))
    assert [(code, span.rpartition(".")[2]) for code, _, span in found] == [
        ("W506", name) for name in ("above", "middle", "word", "gap")
    ]
    assert found[0][1] == "column `above` alone predicts task `click`: AUC 1.0000 in 400 training rows"


def test_too_few_labels_say_nothing_about_a_leak() -> None:
    label = np.array([1.0] * 19 + [0.0] * 400)
    assert separation(pl.Series(label), label, by_value=True) is None
    assert separation(pl.Series(["x"] * 50), np.full(50, np.nan), by_value=False) is None


def test_a_sample_is_the_same_however_rows_are_cut() -> None:
    plan = make.plan([make.feature("a", "number", 9)])
    frame = pl.DataFrame({"a": [str(place) for place in range(5000)]})
    drawn = []
    for at in ((), range(100, 5000, 100), (4999,)):
        sample = RowSample(plan, 50)
        for chunk in cut(frame, plan, np.zeros(5000), np.zeros((5000, 0)), tuple(at)):
            sample.update(chunk)
        drawn.append(sample.frame())
        assert sample._held == 50
    assert all(one.equals(drawn[0]) for one in drawn)
    numbers = drawn[0]["number"].to_numpy()
    assert (drawn[0]["value a"].to_numpy() == numbers).all()
    assert 1500 < numbers.mean() < 3500


def levels() -> Plan:
    return make.plan(
        levels=[
            make.level("page", "page", {"home": (), "cart": ()}),
            make.level("card", "card", {"f": (1,), "g": (0, 1)}),
        ]
    )


def test_rows_find_their_leaf() -> None:
    plan = levels()
    index = LeafIndex(plan)
    assert index.names == ["home > g", "cart > f", "cart > g"]
    nodes = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [UNKNOWN, 1], [1, UNKNOWN]])
    assert index.leaf_of(nodes).tolist() == [0, 1, 2, UNKNOWN, UNKNOWN, UNKNOWN]
    assert LeafIndex(make.plan()).leaf_of(np.zeros((2, 0), np.int64)).tolist() == [0, 0]


@pytest.mark.parametrize("at", CUTS)
def test_leaves_with_few_labels_and_paths_never_taken(at: Sequence[int], locate: Locate) -> None:
    plan = levels()
    nodes = [[0, 1]] * 1200 + [[1, 1]] * 12
    labels = [0, 1] * 600 + [1] * 9 + [0] * 3
    frame = pl.DataFrame({"age": range(1212)})
    findings = Findings()
    survey = LeafCounts(plan, locate)
    for chunk in cut(frame, plan, labels, nodes, at):
        survey.update(chunk)
    survey.report(findings)
    (poor,) = findings
    assert (
        poor.message == "task `click` has fewer than 10 positives or negatives in 1 of the 2 leaves with training rows"
    )
    assert poor.help[0] == "it is `cart > g` (12 rows, 9 positive)"
    assert survey.rows_N.tolist() == [1200, 0, 12]
    # `f` has no rows at all, which is told of the node; once it has, its other path is a gap.
    wide = make.plan(levels=[plan.levels[0], make.level("card", "card", {"f": (0, 1), "g": (0, 1)})])
    plain = [[0, 0]] * 600 + [[0, 1]] * 600 + [[1, 1]] * 60
    found = told(LeafCounts(wide, locate), cut(pl.DataFrame({"age": range(1260)}), wide, [0, 1] * 630, plain, at))
    assert found == [("W508", "1 of 4 paths to level `card` have no training rows", "level.card")]


def test_a_small_table_is_a_trial(locate: Locate) -> None:
    plan = levels()
    frame = pl.DataFrame({"age": range(20)})
    assert told(LeafCounts(plan, locate), cut(frame, plan, [0, 1] * 10, [[0, 1]] * 20, ())) == []


@pytest.mark.parametrize(
    ("train", "test", "told_of"),
    [
        ([1, 2, 9], [5, 10], "`5` in row 1 of `t.csv`, and training rows go on to `9`"),
        ([1, 2, 9], [9, 10], ""),
        (["2024-01-01", "2024-03-01"], ["2024-04-01", "2024-02-01"], "`2024-02-01` in row 2 of `t.csv`, and training"),
        ([1, 9], [None, None], ""),
    ],
)
def test_rows_to_measure_on_come_later(train: list[Any], test: list[Any], told_of: str, locate: Locate) -> None:
    data = DataPlan(("a.csv",), SplitPlan("last", "day", None, 0.1), ("b.csv",), None)
    plan = make.plan(data=data)
    chunks = [
        chunk
        for part, days in (("train", train), ("valid", train[-1:]), ("test", test))
        for chunk in cut(pl.DataFrame({"day": days}), plan, [0] * len(days), np.zeros((len(days), 0)), (1,), part)
    ]
    found = told(TimeOrder(plan, locate), chunks)
    assert len(found) == (told_of != "")
    for code, message, span in found:
        assert (code, span) == ("W509", "data.test")
        assert f"by `day`, the earliest is {told_of}" in message
        early = sum(day is not None and day < max(train) for day in test)
        rows = "1 row to test on comes" if early == 1 else f"{early} rows to test on come"
        assert message.startswith(f"{rows} before the training rows end")


def test_text_without_an_order_is_told(locate: Locate) -> None:
    plan = make.plan(data=DataPlan(("a.csv",), SplitPlan("last", "day", None, 0.1), ("b.csv",), None))
    chunks = [
        chunk
        for part, days in (("train", ["mon", "tue"]), ("valid", ["tue"]), ("test", ["mon", "wed"]))
        for chunk in cut(pl.DataFrame({"day": days}), plan, [0] * len(days), np.zeros((len(days), 0)), (1,), part)
    ]
    ((code, message, span),) = told(TimeOrder(plan, locate), chunks)
    assert (code, span) == ("E525", "data.test")
    assert "the first is `mon` in row 1 of `t.csv`" in message


@pytest.mark.parametrize("at", CUTS)
def test_a_file_that_holds_the_rows_of_another(at: Sequence[int], locate: Locate) -> None:
    plan = make.plan(data=DataPlan(("*.csv",), None, ("test.csv",), None))
    frame = pl.DataFrame({"age": range(400), "y": [0, 1] * 200, "day": range(400)})

    def named(name: str, rows: pl.DataFrame, part: str = "train") -> list[CheckedRows]:
        chunks = cut(rows, plan, rows["y"], np.zeros((400, 0)), at, part)
        return [replace(chunk, rows=replace(chunk.rows, file=name)) for chunk in chunks]

    later = frame.with_columns(day=pl.col("day") + 1)
    files = [*named("a", frame), *named("b", later), *named("c", frame.reverse()), *named("a", frame, "test")]
    assert told(DuplicateFiles(plan, locate), files) == [
        ("W510", "`b` holds the same 400 rows as `a`", "data.train"),
        ("W510", "`a` is read as training rows and as test rows", "data.test"),
    ]
    split = make.plan(data=DataPlan(("*.csv",), None, SplitPlan("random", None, None, 0.5), None))
    halves = [
        chunk.take(np.arange(len(chunk)) % 2 == side, part)
        for chunk in named("a", frame)
        for side, part in enumerate(("train", "test"))
    ]
    assert told(DuplicateFiles(split, locate), [*halves, *named("b", frame)]) == [
        ("W510", "`b` holds the same 400 rows as `a`", "data.train")
    ]


def test_rows_that_were_written_more_than_once(locate: Locate, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    frame = pl.DataFrame({"age": draw.integers(0, 9, 400), "who": draw.integers(0, 50, 400), "day": draw.random(400)})
    again = draw.choice(400, 60)
    frame = pl.concat([frame[:300], frame[again], frame[300:]]).with_columns(y=pl.col("age") % 2)
    plan = make.plan(data=DataPlan(("t.csv",), None, SplitPlan("last", "day", None, 0.1), None, user="who"))
    seen: set[tuple[Any, ...]] = set()
    repeated = [row for row, cells in enumerate(frame.iter_rows()) if cells in seen or seen.add(cells)]  # type: ignore[func-returns-value]

    def found(plan: Plan, frame: pl.DataFrame, at: Sequence[int]) -> list[tuple[str, str, str]]:
        copies = DuplicateFiles(plan, locate)
        return told(DuplicateRows(plan, locate, copies), cut(frame, plan, frame["y"], np.zeros((frame.height, 0)), at))

    for at in CUTS:
        ((code, message, span),) = found(plan, frame, at)
        assert (code, span) == ("W511", "data.train")
        assert message == (
            f"{len(repeated)} rows of 460 are copies of an earlier row, `who` and time included; the first is row "
            f"{repeated[0] + 1} of `t.csv`"
        )
    # Without a user, or a time, rows may look alike.
    for other in (replace(plan.data, user=None), replace(plan.data, test=None)):  # type: ignore[type-var]
        assert found(replace(plan, data=other), frame, ()) == []
    assert found(plan, frame.unique(maintain_order=True), (7,)) == []
    # Of a large table a part is looked at, all copies of a row or none.
    monkeypatch.setattr(duplicate_rows, "MOST_HASHES", 1000)
    large = pl.DataFrame({"age": 1, "who": 1, "y": 0, "day": np.arange(40_000) % 30_000})
    ((_, message, _),) = found(plan, large, range(999, 40_000, 999))
    about = int(message.split()[1].replace(",", ""))
    assert about == pytest.approx(10_000, rel=0.2)


def test_files_are_surveyed_where_they_are_read(tmp_path: Path, locate: Locate) -> None:
    """Two files of training rows, a split by day, and a test file that starts too early and lacks nothing else."""
    days = [f"2024-01-{1 + place // 4:02}" for place in range(100)]
    frame = pl.DataFrame({"age": [7] * 100, "size": range(100), "y": [0, 1] * 50, "day": days})
    frame[:50].write_csv(tmp_path / "a.csv")
    frame[50:].write_parquet(tmp_path / "b.parquet")
    frame.write_csv(tmp_path / "test.csv")
    data = DataPlan(("a.csv", "b.parquet"), SplitPlan("last", "day", None, 0.2), ("test.csv",), None)
    plan = make.plan([make.feature("age", "number", 5), make.feature("size", "number", 5)], data=data)
    findings = Findings()
    check_tables(plan, [tmp_path], findings, locate)
    assert [(one.code, one.span.text if one.span else "") for one in findings] == [
        ("W504", "features.user.age"),
        ("W509", "data.test"),
    ]
    frame.drop("day").write_csv(tmp_path / "test.csv")
    findings = Findings()
    check_tables(plan, [tmp_path], findings, locate)
    assert [one.code for one in findings] == ["W504"]
