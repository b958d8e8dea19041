"""Models from outside: what they read and learn from, what chooses them, and that they are what they are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from aesm_dsl import AesmError, compile_spec
from aesm_dsl.api.outside import OutsideTrials, outside_runs
from aesm_dsl.data.encoding.feature_encoders import NumberEncoder
from aesm_dsl.training.outside import boosted_trees
from aesm_dsl.training.outside.cells import (
    IdCells,
    NumberCells,
    OutsideRows,
    outside_rows,
    with_plain_numbers,
)
from aesm_dsl.training.outside.logistic import fit_logistic, sparse_matrices
from aesm_dsl.training.outside.outside_run import OutsideRun, load_outside_run
from tests.training.outside.shop import SPEC, prepared_shop, write_shop

TASKS = ("click", "buy", "again")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Few trees, two settings."""
    with patch.object(boosted_trees, "SHAPES", boosted_trees.SHAPES[:1]), patch.object(boosted_trees, "MOST_TREES", 30):
        yield


@pytest.fixture(scope="module")
def runs(spec: Path, quick: None) -> dict[str, OutsideRun]:
    return {name: run for name, (run,) in outside_runs(spec, spec.parent / "out", ["logistic", "lightgbm"]).items()}


@pytest.fixture(scope="module")
def parts(spec: Path) -> dict[str, OutsideRows]:
    plan, prepared = prepared_shop(spec)
    tables = {"train": prepared.tables.train, "valid": prepared.tables.valid, "test": prepared.tables.test}
    return {name: outside_rows(plan, table, {}) for name, table in tables.items() if table is not None}


def frame(spec: Path, part: str) -> pl.DataFrame:
    return pl.read_parquet(spec.parent / f"{part}.parquet")


def counts(rows: pl.DataFrame, task: str) -> np.ndarray[Any, Any]:
    """The rows that count for a task, by the meaning of the spec."""
    known = rows[task].is_not_null() & (rows["counts"] > 0)
    return (known & (rows["click"] == 1) if task == "again" else known).to_numpy()


def text_codes(rows: pl.DataFrame, column: str, order: list[str]) -> np.ndarray[Any, Any]:
    return np.array([order.index(value) if value in order else np.nan for value in rows[column].to_list()])


def test_trees_are_those_of_lightgbm_by_hand(spec: Path, runs: dict[str, OutsideRun]) -> None:
    """A matrix written here from the tables, and LightGBM called directly: the same scores of all test rows."""
    train, valid, test = (frame(spec, part) for part in ("train", "valid", "test"))
    colors = train["color"].drop_nulls().value_counts(sort=True)["color"].to_list()
    tags = train["tags"].explode().drop_nulls().value_counts(sort=True)["tags"].to_list()

    def matrix(rows: pl.DataFrame) -> np.ndarray[Any, Any]:
        page, card = (rows["page"] == "search").to_numpy(), (rows["card"] == "item").to_numpy()
        first = rows.with_columns(first=pl.col("tags").list.first())
        columns = [
            text_codes(rows, "color", colors),
            rows["price"].to_numpy(),
            rows["weight"].cast(float).to_numpy(),
            text_codes(first, "first", tags),
            rows["tags"].list.len().to_numpy(),
            rows["bonus"].cast(float).to_numpy(),
            page,
            card,
            2 * page + card,
        ]
        return np.column_stack(columns).astype(np.float32)

    settings = runs["lightgbm"].settings
    for task, column in zip(TASKS, range(3), strict=True):
        own, other = counts(train, task), counts(valid, task)
        fixed = {"objective": "binary", "metric": "auc", "bagging_fraction": 0.8, "bagging_freq": 1, "seed": 7}
        fixed |= {"feature_fraction": 0.8, "deterministic": True, "force_row_wise": True, "verbosity": -1}
        fixed |= {"feature_pre_filter": False, **settings[column]}
        weight = train["counts"].to_numpy()[own]
        kind = {"categorical_feature": [0, 3, 6, 7, 8], "params": fixed}
        learnt = lightgbm.Dataset(
            matrix(train)[own], train[task].to_numpy()[own], weight=weight / weight.mean(), **kind
        )
        weight = valid["counts"].to_numpy()[other]
        judge = lightgbm.Dataset(
            matrix(valid)[other], valid[task].to_numpy()[other], weight=weight / weight.mean(), reference=learnt
        )
        stop = lightgbm.early_stopping(boosted_trees.PATIENCE, verbose=False)
        booster = lightgbm.train(fixed, learnt, boosted_trees.MOST_TREES, valid_sets=[judge], callbacks=[stop])
        expected = booster.predict(matrix(test))
        assert np.exp(runs["lightgbm"].rows.yes_RT[:, column]) == pytest.approx(expected, abs=1e-9), task
        assert expected.std() > 0.01


def test_the_regression_is_that_of_sklearn_by_hand(spec: Path, runs: dict[str, OutsideRun]) -> None:
    train, test = frame(spec, "train"), frame(spec, "test")
    encoder = prepared_shop(spec)[1].encoders.encoders[1]
    assert isinstance(encoder, NumberEncoder)

    def matrix(rows: pl.DataFrame) -> np.ndarray[Any, Any]:
        color = [[value == one for one in ("red", "green", "blue", None)] for value in rows["color"].to_list()]
        bucket = encoder.ids(rows["price"]) - 1
        tags = [[value.count(one) / max(len(value), 1) for one in "abcd"] for value in rows["tags"].to_list()]
        leaf = [[p == a, p == b, c == d, c == e] for p, c in rows.select("page", "card").rows() for a, b, d, e in NODES]
        both = [[(p, c) == one for one in LEAVES] for p, c in rows.select("page", "card").rows()]
        numbers = []
        for name in ("weight", "bonus"):
            known = train[name].drop_nulls().to_numpy()
            value = rows[name].cast(float).to_numpy()
            numbers += [np.nan_to_num((value - known.mean()) / known.std()), np.isnan(value)]
        return np.column_stack([color, np.eye(8)[bucket], tags, leaf, both, *numbers]).astype(float)

    for column, task in enumerate(TASKS):
        own = counts(train, task)
        weight = train["counts"].to_numpy()[own]
        model = LogisticRegression(C=runs["logistic"].settings[column]["C"], max_iter=1000)
        model.fit(matrix(train)[own], train[task].to_numpy()[own], sample_weight=weight / weight.mean())
        expected = model.predict_proba(matrix(test))[:, 1]
        assert np.exp(runs["logistic"].rows.yes_RT[:, column]) == pytest.approx(expected, abs=2e-3), task


NODES = [("home", "search", "ad", "item")]
LEAVES = [("home", "ad"), ("home", "item"), ("search", "ad"), ("search", "item")]


def test_models_are_measured_on_the_rows_that_count(spec: Path, runs: dict[str, OutsideRun]) -> None:
    """A task after another is measured on all its rows with a label, one with `where` on the rows of the other."""
    test = frame(spec, "test")
    for run in runs.values():
        overall = {score.task: score for score in run.scores if score.leaf == "(all)"}
        for task in TASKS:
            own = test.filter(counts(test, task))
            assert (overall[task].rows, overall[task].positives) == (len(own), own[task].sum())
        own = test.filter(counts(test, "buy"), page="home", card="item")
        (score,) = [score for score in run.scores if (score.leaf, score.task) == ("home > item", "buy")]
        assert (score.rows, score.positives) == (len(own), own["buy"].sum())


def test_what_follows_another_task_is_predicted_as_both(spec: Path, runs: dict[str, OutsideRun]) -> None:
    """P(click and buy), of all rows: not P(buy) of those that were clicked, which is twice as large."""
    test = frame(spec, "test")
    of_all, of_clicked = test["buy"].mean(), test.filter(click=1)["buy"].mean()
    assert isinstance(of_all, float)
    assert isinstance(of_clicked, float)
    assert of_clicked > 1.6 * of_all
    for run in runs.values():
        assert np.exp(run.rows.yes_RT[:, 1]).mean() == pytest.approx(of_all, rel=0.25)


def test_rows_teach_choose_and_measure_apart(spec: Path, parts: dict[str, OutsideRows], quick: None) -> None:
    """Only training rows are fitted, only validation rows judge, and test rows change nothing but the scores."""
    fitted, judged = [], []
    fit, train, judge = LogisticRegression.fit, lightgbm.train, boosted_trees.judged

    def see_fit(self: Any, x: Any, y: Any, **more: Any) -> Any:
        fitted.append(y)
        return fit(self, x, y, **more)

    def see_train(settings: Any, data: lightgbm.Dataset, *more: Any, **named: Any) -> Any:
        fitted.append(data.get_label())
        judged.extend(one.get_label() for one in named["valid_sets"])
        return train(settings, data, *more, **named)

    def see_judge(log_odds: Any, rows: Any) -> float:
        judged.append(rows.label_R)
        return judge(log_odds, rows)

    inside = "aesm_dsl.training.outside"
    with (
        patch.object(LogisticRegression, "fit", see_fit),
        patch.object(lightgbm, "train", see_train),
        patch(f"{inside}.logistic.judged", see_judge),
        patch(f"{inside}.boosted_trees.judged", see_judge),
    ):
        arguments = parts["train"], parts["valid"], parts["test"], 7, ()
        both = [fit_logistic(*arguments), boosted_trees.fit_boosted_trees(*arguments)]
    labels = {
        part: [rows[task].to_numpy()[counts(rows, task)] for task in TASKS]
        for part in ("train", "valid")
        for rows in [frame(spec, part)]
    }
    assert len(fitted) > 9
    assert len(judged) > 9
    assert all(any(np.array_equal(own, one) for one in labels["train"]) for own in fitted)
    assert all(any(np.array_equal(own, one) for one in labels["valid"]) for own in judged)
    others = replace(parts["test"], label_RT=1 - parts["test"].label_RT)
    arguments = parts["train"], parts["valid"], others, 7, ()
    again = [fit_logistic(*arguments), boosted_trees.fit_boosted_trees(*arguments)]
    for first, second in zip(both, again, strict=True):
        for own, other in zip(first, second, strict=True):
            assert own.settings == other.settings
            assert np.array_equal(own.log_odds_R, other.log_odds_R)


def test_what_is_known_in_training_only_is_not_read(spec: Path, runs: dict[str, OutsideRun]) -> None:
    plan, prepared = prepared_shop(spec)
    names = [cells.name for cells in outside_rows(plan, prepared.tables.train, {}).cells]
    assert names == ["color", "price", "weight", "tags", "bonus", "page", "card", "leaf"]
    for name, run in runs.items():
        assert f"`{name}`: it leaves out `position`, known in training only" in run.notes


def test_trees_get_numbers_as_they_are(spec: Path) -> None:
    plan = with_plain_numbers(compile_spec(spec).plan)
    kinds = {feature.name: (feature.kind, feature.scale) for feature in plan.features}
    assert kinds["price"] == kinds["weight"] == ("value", "none")
    assert kinds["color"] == ("category", "")


def rows_of(*cells: IdCells | NumberCells) -> OutsideRows:
    rows = len(cells[0].id_RK if isinstance(cells[0], IdCells) else cells[0].value_RG)
    return OutsideRows(cells, np.zeros((rows, 1)), np.ones(rows), np.zeros((rows, 0), np.int64), None, None)


def ids(*rows: list[int]) -> Any:
    return np.array(rows, np.int64)


def test_ids_of_the_matrices() -> None:
    """Missing is missing, and so is an id that training rows lack; after the most frequent ids, others are one."""
    train = rows_of(
        IdCells("c", ids([2], [2], [3], [3], [3], [5], [0])), IdCells("b", ids(*([k] for k in range(7))), True)
    )
    test = rows_of(IdCells("c", ids([3], [5], [9], [0])), IdCells("b", ids([6], [0], [1], [2]), True))
    every = boosted_trees.tree_matrices((train, test))
    assert every.categories == (0,)
    assert np.array_equal(every.parts[1].T, [[1, 2, np.nan, np.nan], [6, np.nan, 1, 2]], equal_nan=True)
    with patch.object(boosted_trees, "MOST_CATEGORIES", 2):
        few = boosted_trees.tree_matrices((train, test))
    assert np.array_equal(few.parts[1][:, 0], [1, 2, 2, np.nan], equal_nan=True)
    assert np.array_equal(few.parts[0][:, 0], [0, 0, 1, 1, 1, 2, np.nan], equal_nan=True)
    of_train, of_test = (matrix.toarray()[:, :4] for matrix in sparse_matrices((train, test)))
    assert of_train.sum(axis=1).tolist() == [1] * 7
    assert of_test.tolist() == [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_lists_and_vectors_of_the_matrices() -> None:
    vector = np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, np.nan]], np.float32)
    train = rows_of(IdCells("l", ids([4, 2, -1], [2, -1, -1], [-1, -1, -1])), NumberCells("v", vector))
    trees = boosted_trees.tree_matrices((train,))
    assert trees.names == ("l", "length of l", "v", "v")
    expected = [[1, 2, 1, 5], [0, 1, 3, np.nan], [np.nan, 0, np.nan, np.nan]]
    assert np.array_equal(trees.parts[0], expected, equal_nan=True)
    (matrix,) = sparse_matrices((train,))
    assert matrix.toarray().tolist() == [[0.5, 0.5, -1, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 1]]


def test_a_task_of_one_class_is_a_constant(parts: dict[str, OutsideRows], quick: None) -> None:
    train = replace(parts["train"], label_RT=np.where(np.isnan(parts["train"].label_RT), np.nan, 0.0))
    for fit in (fit_logistic, boosted_trees.fit_boosted_trees):
        for own in fit(train, parts["valid"], parts["test"], 7, ()):
            assert own.size == 0
            assert len(set(own.log_odds_R.tolist())) == 1
            assert own.log_odds_R[0] < -5


def test_without_labels_to_judge_by_nothing_is_searched(parts: dict[str, OutsideRows], quick: None) -> None:
    valid = replace(parts["valid"], label_RT=np.full_like(parts["valid"].label_RT, np.nan))
    for fit in (fit_logistic, boosted_trees.fit_boosted_trees):
        assert all(own.size > 0 for own in fit(parts["train"], valid, parts["test"], 7, ()))


def test_a_kept_model_is_the_one_that_was_fitted(spec: Path, runs: dict[str, OutsideRun], tmp_path: Path) -> None:
    for run in runs.values():
        stored = load_outside_run(run.folder)
        assert stored is not None
        assert (stored.settings, stored.scores, stored.size) == (run.settings, run.scores, run.size)
        assert np.array_equal(stored.rows.yes_RT, run.rows.yes_RT)
    trials = OutsideTrials(compile_spec(spec), spec.parent / "out", ["logistic", "lightgbm"], [7])
    assert trials.unfitted() == []
    path = runs["logistic"].folder / "spec.aesm"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + " ", encoding="utf-8")
    assert trials.unfitted() == [runs["logistic"].folder], "damaged"
    path.write_text(text, encoding="utf-8")
    other = OutsideTrials(compile_spec(spec, overrides=["train.batch=32 rows"]), trials.folder, ["logistic"], [7])
    with pytest.raises(AesmError, match="a run of another spec"):
        other.unfitted()
    assert replace(other, overwrite=True).unfitted() == [runs["logistic"].folder]


def test_validation_rows_are_needed(spec: Path, tmp_path: Path) -> None:
    with pytest.raises(AesmError, match=r"E610.*judged by validation rows"):
        outside_runs(spec, tmp_path, ["logistic"], overrides=["data.valid=none"])


def test_a_plan_without_levels_is_one_leaf(tmp_path: Path, spec: Path) -> None:
    lines = [line for line in SPEC.splitlines() if not line.strip().startswith(("level", "under", "bonus"))]
    flat = spec.parent / "flat.aesm"
    flat.write_text("\n".join(lines), encoding="utf-8")
    (run,) = outside_runs(flat, tmp_path, ["logistic"])["logistic"]
    assert [score.task for score in run.scores if score.leaf == "(all)"] == list(TASKS)
    assert [score.rows for score in run.scores if score.leaf == "(all)"] == [
        counts(frame(spec, "test"), task).sum() for task in TASKS
    ]
