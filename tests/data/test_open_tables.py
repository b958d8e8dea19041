"""A table against its plan: what is read, and each thing that can be wrong with it, told once."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.encoded_stream import EncodedStream
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import NumberEncoder
from aesm_dsl.data.open_tables import check_tables, open_table, open_tables
from aesm_dsl.data.prepare import Prepared, Tables, prepare
from aesm_dsl.data.reading.files import find_files
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.findings.codes import pages
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import DataPlan, SplitPlan
from aesm_dsl.plan.plan import UNKNOWN, Plan
from tests.data.plans import Make

make = Make()

GOOD: dict[str, list[Any]] = {
    "entry": ["search", "wealth", "search", "wealth"],
    "card": ["hot", "hot", "article", "hot"],
    "age": [20, 30, None, 40],
    "city": ["a", "b", "a", ""],
    "user": [1, 2, 3, 4],
    "y": [0, 1, None, 1],
    "amount": [0.0, 5.0, 0.5, None],
    "kind": ["buy", "view", None, "buy"],
    "w": [1.0, 0.0, 2.0, 1.0],
    "day": [1, 2, 3, 4],
}

ENCODERS = Encoders((NumberEncoder("age", "age", 5, ()),))


def plan(**data: Any) -> Plan:
    return make.plan(
        [
            make.feature("age", "number", 5),
            make.feature("city", "category", 9),
            make.feature("user", "id", 101),
        ],
        [
            make.level("scenario", "entry", {"search": (), "wealth": ()}),
            make.level("card", "card", {"hot": (0, 1), "article": (0,)}),
        ],
        [
            make.task("click", "y"),
            make.task("big", "amount", "above", 1.0),
            make.task("buy", "kind", "equals", "buy"),
        ],
        DataPlan(**{"train": ("train.parquet",), "valid": None, "test": None, "weight": "w", **data}),
    )


def write(folder: Path, name: str = "train.parquet", **columns: Any) -> None:
    """The good rows with some columns replaced; a column given as None is left out."""
    merged = {key: value for key, value in {**GOOD, **columns}.items() if value is not None}
    frame = pl.DataFrame(merged, strict=False)
    frame.write_csv(folder / name) if name.endswith("csv") else frame.write_parquet(folder / name)


def told(folder: Path, locate: Locate, made: Plan | None = None) -> list[tuple[str, str, str]]:
    findings = Findings()
    check_tables(made or plan(), [folder], findings, locate)
    again = Findings()
    prepared = prepare(made or plan(), [folder], again, locate)
    assert (prepared is None) == bool(findings.errors)
    assert again.items == findings.items
    assert all(one.code in pages() for one in findings)
    return [(one.code, one.message, one.span.text if one.span else "") for one in findings]


def prepared(folder: Path, made: Plan) -> Prepared:
    findings = Findings()
    found = prepare(made, [folder], findings, lambda key: None)
    assert not findings.errors
    assert found is not None
    return found


def tables(folder: Path, made: Plan) -> Tables:
    return prepared(folder, made).tables


def held(made: Plan, frame: pl.DataFrame) -> EncodedTable:
    findings = Findings()
    found = prepare(made, [], findings, lambda key: None, open_frames(frame, "rows", findings))
    assert found is not None
    return found.tables.train


@pytest.mark.parametrize("name", ["train.parquet", "train.csv"])
def test_a_good_table_from_parquet_and_csv(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    made = plan(train=(name,))
    train = tables(tmp_path, made).train
    assert train.node_RL.tolist() == [[0, 0], [1, 0], [0, 1], [1, 0]]
    nan = math.nan
    np.testing.assert_array_equal(train.label_RT, [[0, 0, 1], [1, 1, 0], [nan, 0, nan], [1, nan, 1]])
    assert train.weight_R.tolist() == [1, 0, 2, 1]
    assert len(train) == 4
    assert train.ids_RS[:, 0].tolist() == [1, 2, 0, 3]
    assert train.ids_RS[:, 1].tolist() == [2, 3, 2, 0]
    assert train.label_RT.dtype == train.weight_R.dtype == torch.float32
    assert train.node_RL.dtype == torch.int64


def test_parquet_and_csv_give_the_same_ids(tmp_path: Path) -> None:
    write(tmp_path, "a.parquet")
    write(tmp_path, "a.csv")
    made = plan(train=("a.parquet",), test=("a.csv",))
    both = tables(tmp_path, made)
    assert both.test is not None
    assert both.valid is None
    assert torch.equal(both.train.ids_RS, both.test.ids_RS)


def test_the_test_rows_are_taken_first_then_the_validation_rows(tmp_path: Path) -> None:
    write(tmp_path)
    by_day = SplitPlan("last", "day", None, 0.25)
    read = tables(tmp_path, plan(valid=by_day, test=by_day))
    assert read.valid is not None
    assert read.test is not None
    assert [part.weight_R.tolist() for part in (read.train, read.valid, read.test)] == [[1, 0], [2], [1]]
    assert read.test.node_RL.tolist() == [[1, 0]]


def test_no_echoes_of_a_missing_file(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, y=[0, 1, 0, 7])
    assert told(tmp_path, locate, plan(test=("test.parquet",), valid=("v/*.csv",))) == [
        ("E501", "no file `v/*.csv`", "data.valid"),
        ("E501", "no file `test.parquet`", "data.test"),
        (
            "E508",
            "label `y` of task `click` is neither 0, 1 nor missing in 1 row; the first is `7` in row 4 of "
            "`train.parquet`",
            "tasks.task.click.label",
        ),
    ]
    assert told(tmp_path, locate, plan(train=("nowhere.parquet",))) == [
        ("E501", "no file `nowhere.parquet`", "data.train")
    ]


def test_a_missing_column_is_told_once(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, age=None, Age=[1, 2, 3, 4])
    write(tmp_path, "test.parquet", age=None, y=None)
    made = make.plan(
        [make.feature("age", "number", 5), make.feature("years", "category", 5, column="age")],
        tasks=[make.task("click", "y"), make.task("old", "age", "above", 3.0)],
        data=DataPlan(("train.parquet",), None, ("test.parquet",), None),
    )
    findings = Findings()
    assert prepare(made, [tmp_path], findings, locate) is None
    missing, label = findings
    assert (missing.code, missing.message) == ("E503", "no column `age` in `train.parquet`, `test.parquet`")
    assert missing.span is not None
    assert missing.span.text == "features.user.age"
    assert missing.help == (
        "did you mean `Age`?",
        "used by feature `age`, feature `years`, task `old`",
    )
    assert (label.code, label.message) == ("E503", "no column `y` in `test.parquet`")
    assert label.help[0].startswith("its columns are `entry`, `card`, ")


def test_a_missing_split_column(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path)
    rule = SplitPlan("last", "date", None, 0.5)
    assert told(tmp_path, locate, plan(test=rule, valid=rule)) == [
        ("E503", "no column `date` in `train.parquet`", "data.test")
    ]


@pytest.mark.parametrize(
    ("columns", "message", "span"),
    [
        (
            {"user": [b"1", b"2", b"3", b"4"]},
            "feature `user` needs whole numbers or text, but column `user` of `train.parquet` holds bytes",
            "features.user.user",
        ),
        (
            {"city": [["a"], ["b"], [], None]},
            "feature `city` needs single values, but column `city` of `train.parquet` holds lists",
            "features.user.city",
        ),
        (
            {"age": [{"a": 1}] * 4},
            "feature `age` needs numbers, but column `age` of `train.parquet` holds structs",
            "features.user.age",
        ),
        (
            {"age": ["20", "old", None, "very old"]},
            "feature `age` needs numbers, but column `age` holds text in 2 rows; the first is `old` in row 2 of "
            "`train.parquet`",
            "features.user.age",
        ),
        (
            {"amount": ["a", "b", None, "c"]},
            "task `big` needs numbers, but column `amount` holds text in 3 rows; the first is `a` in row 1 of "
            "`train.parquet`",
            "tasks.task.big.label",
        ),
        (
            {"amount": [dt.date(2020, 1, 1)] * 4},
            "task `big` needs numbers, but column `amount` of `train.parquet` holds dates",
            "tasks.task.big.label",
        ),
        (
            {"y": [dt.date(2020, 1, 1)] * 4},
            "task `click` needs 0 or 1, but column `y` of `train.parquet` holds dates",
            "tasks.task.click.label",
        ),
        (
            {"entry": [["search"]] * 4},
            "level `scenario` needs single values, but column `entry` of `train.parquet` holds lists",
            "level.scenario.column",
        ),
    ],
)
def test_columns_of_the_wrong_type(
    tmp_path: Path, locate: Locate, columns: dict[str, Any], message: str, span: str
) -> None:
    write(tmp_path, **columns)
    write(tmp_path, "test.parquet")
    assert told(tmp_path, locate, plan(test=("test.parquet",))) == [("E504", message, span)]


def test_no_rows(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path)
    pl.read_parquet(tmp_path / "train.parquet").clear().write_parquet(tmp_path / "train.parquet")
    assert told(tmp_path, locate) == [("E505", "no rows in `train.parquet`", "data.train")]


def test_unknown_nodes(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, entry=["search", "serach", None, "serach"])
    findings = Findings()
    prepare(plan(), [tmp_path], findings, locate)
    (one,) = findings
    assert (one.code, one.message) == (
        "E506",
        "column `entry` names no node of level `scenario` in 3 rows; the first is `serach` in row 2 of `train.parquet`",
    )
    assert one.span is not None
    assert one.span.text == "level.scenario.column"
    assert one.help == (
        "values without a node: `serach`",
        "1 row with a missing value",
        "did you mean `search`?",
        "the nodes' values are `search`, `wealth`",
        "`unknown = shared` in the level lets such rows run on the shared experts",
    )


def test_a_level_may_take_rows_of_unknown_nodes(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, entry=["search", "popup", None, "wealth"], card=["hot", "article", "video", "video"])
    whole = plan()
    lenient = replace(whole, levels=tuple(replace(level, unknown=True) for level in whole.levels))
    findings = Findings()
    found = prepare(lenient, [tmp_path], findings, locate)
    assert found is not None
    assert found.tables.train.node_RL.tolist() == [[0, 0], [UNKNOWN, 1], [UNKNOWN, UNKNOWN], [1, UNKNOWN]]
    assert [(one.code, one.message, one.span.text if one.span else "") for one in findings if one.code == "W503"] == [
        (
            "W503",
            "column `entry` names no node of level `scenario` in 2 rows of the 4 training rows; the first is `popup`",
            "level.scenario.unknown",
        ),
        (
            "W503",
            "column `card` names no node of level `card` in 2 rows of the 4 training rows; the first is `video`",
            "level.card.unknown",
        ),
    ]


def test_a_strict_level_beside_a_lenient_one(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, entry=["popup", "wealth", None, "wealth"], card=["hot", "article", "hot", "video"])
    scenario, card = plan().levels
    findings = Findings()
    prepare(replace(plan(), levels=(replace(scenario, unknown=True), card)), [tmp_path], findings, locate)
    assert [(one.code, one.span.text if one.span else "") for one in findings.errors] == [
        ("E506", "level.card.column"),  # video
        ("E507", "level.card.node.article"),  # under wealth; what lies under popup is not held against it
    ]


def test_a_node_is_its_value_whatever_the_type(tmp_path: Path) -> None:
    made = make.plan(levels=[make.level("domain", "d", {"1": (), "2": ()})])
    for column in (pl.Series([1, 2]), pl.Series([1.0, 2.0]), pl.Series(["1", "2"])):
        frame = pl.DataFrame({"age": [1, 2], "y": [0, 1], "d": column})
        assert held(made, frame).node_RL.tolist() == [[0], [1]]


def test_domain_seven_of_two_is_refused(locate: Locate) -> None:
    made = make.plan(levels=[make.level("domain", "d", {"0": (), "1": ()})])
    frame = pl.DataFrame({"age": [1, 2], "y": [0, 1], "d": [0, 7]})
    findings = Findings()
    reading = open_table(made, open_frames(frame, "request", findings), findings, locate, labels=False)
    assert list(EncodedStream(reading, ENCODERS, "test").batches(10)) == []
    (one,) = findings
    assert one.message == (
        "column `d` names no node of level `domain` in 1 row; the first is `7` in row 2 of `request`"
    )


def test_paths_that_the_hierarchy_lacks(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, card=["hot", "article", "article", "article"])
    findings = Findings()
    prepare(plan(), [tmp_path], findings, locate)
    (one,) = findings
    assert (one.code, one.message) == (
        "E507",
        "2 rows on the path `wealth > article` (columns `entry`, `card`), which the hierarchy lacks; the first "
        "is row 2 of `train.parquet`",
    )
    assert one.span is not None
    assert (one.span.text, one.label) == ("level.card.node.article", "under `search` only")


@pytest.mark.parametrize("column", [[0, 1, None, 1], [0.0, 1.0, math.nan, 1.0], [False, True, None, True]])
def test_labels_of_every_kind(tmp_path: Path, column: list[Any]) -> None:
    write(tmp_path, y=column)
    np.testing.assert_array_equal(tables(tmp_path, plan()).train.label_RT[:, 0], [0, 1, math.nan, 1])


@pytest.mark.parametrize(
    ("column", "message", "help"),
    [
        ([0, -1, 1, -1], "in 2 rows; the first is `-1` in row 2", "a missing label is an empty cell (null), not -1"),
        ([0, 1, 2, None], "in 1 row; the first is `2` in row 3", "a count or an amount becomes a label by a"),
        ([0.5, 1.0, 0.0, None], "in 1 row; the first is `0.5` in row 1", ""),
        ([math.inf, 1.0, 0.0, None], "in 1 row; the first is `inf` in row 1", "a count"),
        (["no", "yes", "1", "0"], "in 2 rows; the first is `no` in row 1", ""),
    ],
)
def test_labels_that_are_none(tmp_path: Path, locate: Locate, column: list[Any], message: str, help: str) -> None:
    write(tmp_path, y=column)
    findings = Findings()
    assert prepare(plan(), [tmp_path], findings, locate) is None
    (one,) = findings
    expected = f"label `y` of task `click` is neither 0, 1 nor missing {message} of `train.parquet`"
    assert (one.code, one.message) == ("E508", expected)
    assert " ".join(one.help).startswith(help)


def test_row_weights(tmp_path: Path, locate: Locate) -> None:
    for column, first in (
        ([1, 2, -1, None], "in 2 rows; the first is `-1` in row 3"),
        ([None, 1, 1, 1], "in 1 row; the first is a missing value in row 1"),
        ([1.0, math.nan, 1.0, math.inf], "in 2 rows; the first is `nan` in row 2"),
        (["1", "x", "1", "1"], "in 1 row; the first is `x` in row 2"),
    ):
        write(tmp_path, w=column)
        assert told(tmp_path, locate) == [
            (
                "E509",
                f"row weight `w` is negative, missing, not a number or too large {first} of `train.parquet`",
                "data.weight",
            )
        ]


def test_the_column_of_users_is_read_where_rows_are_measured(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, who=["a", "b", "a", None])
    made = plan(user="who")
    chunks = [chunk for _, chunk in open_tables(made, [tmp_path], Findings(), locate).checked("train", None)]
    assert [chunk.rows.frame["who"].to_list() for chunk in chunks] == [["a", "b", "a", None]]
    assert told(tmp_path, locate, plan(user="whom")) == [("E503", "no column `whom` in `train.parquet`", "data.user")]
    findings = Findings()
    open_table(made, open_frames(pl.DataFrame(GOOD, strict=False), "new", findings), findings, locate, labels=False)
    assert not findings.items


def test_everything_is_told_in_one_go(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, "a.parquet")
    write(
        tmp_path,
        "b.parquet",
        entry=["search", "x", "wealth", "search"],
        card=["hot", "hot", "article", "hot"],
        y=[0, 1, 5, 1],
        w=[1.0, -1.0, 1.0, 1.0],
    )
    write(tmp_path, "test.parquet", city=None)
    late = SplitPlan("from", "day", 9.0, None)
    made = plan(train=("a.parquet", "b.parquet"), valid=late, test=("test.parquet",))
    found = told(tmp_path, locate, made)
    assert [code for code, _, _ in found] == ["E503", "E506", "E507", "E508", "E509", "E505"]
    assert found[1][1].endswith("in 1 row; the first is `x` in row 2 of `b.parquet`")
    assert found[3][1].endswith("the first is `5` in row 3 of `b.parquet`")


def test_warnings_about_the_training_rows(tmp_path: Path, locate: Locate) -> None:
    write(
        tmp_path,
        card=["hot"] * 4,
        y=[1, 1, None, 1],
        amount=[0.0, 0.0, 0.0, 0.0],
        kind=[None, None, None, None],
    )
    assert told(tmp_path, locate) == [
        ("W501", "task `click` has no negatives among the 4 training rows", "tasks.task.click.label"),
        ("W501", "task `big` has no positives among the 4 training rows", "tasks.task.big.label"),
        ("W501", "task `buy` has no labels among the 4 training rows", "tasks.task.buy.label"),
        ("W502", "node `article` of level `card` has no training rows", "level.card.node.article"),
    ]


def test_scoring_needs_no_labels(tmp_path: Path, locate: Locate) -> None:
    write(tmp_path, "train.csv")
    write(tmp_path, "new.csv", y=None, amount=None, kind=None, w=None, extra=["p", "q", "r", "s"])
    findings = Findings()
    files = find_files(["new.csv"], [tmp_path], None, findings)
    open_table(plan(), files, findings, locate)
    assert [one.code for one in findings] == ["E503"] * 4
    findings = Findings()
    encoders = prepared(tmp_path, plan(train=("train.csv",))).encoders
    batches = list(
        EncodedStream(open_table(plan(), files, findings, locate, labels=False), encoders, "test").batches(3)
    )
    assert not findings.items
    assert [batch.rows for batch in batches] == [3, 1]
    assert all(torch.isnan(batch.label_BT).all() for batch in batches)
    assert batches[1].label_BT.shape == (1, 3)
    assert batches[0].weight_B.tolist() == [1, 1, 1]


def test_values_that_training_never_saw_find_a_slot(tmp_path: Path) -> None:
    write(tmp_path)
    made = plan()
    encoders = prepared(tmp_path, made).encoders
    later = pl.DataFrame({**GOOD, "city": ["zzz"] * 4, "age": [10**9] * 4, "user": [2**62] * 4}, strict=False)
    findings = Findings()
    reading = open_table(made, open_frames(later, "later", findings), findings, lambda key: None)
    (batch,) = EncodedStream(reading, encoders, "test").batches(10)
    assert not findings.items
    assert batch.ids_BS[0, :2].tolist() == [3, 1]
    assert (batch.ids_BS < torch.tensor(list(encoders.rows().values()))).all()


def test_a_plan_without_levels() -> None:
    assert held(make.plan(), pl.DataFrame({"age": [1, 2], "y": [0, 1]})).node_RL.shape == (2, 0)


def test_a_plan_without_data_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="names no data"):
        prepare(make.plan(), [], Findings(), lambda key: None)


def test_a_row_counts_for_a_task_only_in_its_sample_space(tmp_path: Path) -> None:
    """`buy` where `big` happened on a row that counts for it: that is, where `click` happened."""
    made = plan()
    click, big, buy = made.tasks.tasks
    chained = (click, replace(big, where=0), replace(buy, where=1))
    made = replace(made, tasks=replace(made.tasks, tasks=chained))
    columns = {
        "y": [1, 1, 0, None, 1, 1],
        "amount": [5.0, 0.0, 5.0, 5.0, None, 5.0],
        "kind": ["buy", "buy", "buy", "buy", "buy", None],
    }
    others = {name: (values * 2)[:6] for name, values in GOOD.items() if name not in columns}
    write(tmp_path, **{**others, **columns})
    seen_RT = tables(tmp_path, made).train.label_RT
    nan = math.nan
    expected = [[1, 1, 1], [1, 0, nan], [0, nan, nan], [nan, nan, nan], [1, nan, nan], [1, 1, nan]]
    np.testing.assert_array_equal(seen_RT, expected)
