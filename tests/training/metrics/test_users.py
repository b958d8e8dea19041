"""A training that is measured, and stopped, by the AUC within users."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aesm_dsl import evaluate, train
from aesm_dsl.report.metrics_table import metrics_table
from aesm_dsl.training.metrics.scores import Score
from aesm_dsl.training.run.folder import Run, metrics_frame
from tests.training.run.test_resume import SMALL
from tests.worlds import fund_world

WITHIN = [*SMALL, "data.user=user_id", "train.stop=early(on: mean_gauc, patience: 3)"]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 3000)


@pytest.fixture(scope="module")
def run(spec: Path) -> Run:
    return train(spec, spec.parent / "run", device="cpu", overrides=WITHIN)


def test_a_run_is_measured_within_users_as_evaluate_measures(run: Run) -> None:
    assert run.metrics.filter(pl.col("leaf") == "(all)")["users"].min() > 0
    assert_frame_equal(evaluate(run, device="cpu"), run.metrics)


def test_the_best_epoch_is_the_best_within_users(run: Run, spec: Path) -> None:
    values = [one.valid_mean_gauc for one in run.history]
    assert None not in values
    best = max(run.history, key=lambda one: one.valid_mean_gauc or 0)
    assert run.info["best step"] == best.step
    # The valid rows are those of a split: measured again by a run that has no others.
    told = train(spec, spec.parent / "valid", device="cpu", overrides=[*WITHIN, "data.test=none"])
    assert told.info["measured on"] == "valid"
    measured = told.metrics.filter(pl.col("leaf") == "(all)")["gauc"].mean()
    assert measured == pytest.approx(max(one.valid_mean_gauc or 0 for one in told.history))


def test_what_is_logged(run: Run) -> None:
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    epochs = [line["valid_mean_gauc"] for line in lines if "epoch" in line]
    assert epochs == [one.valid_mean_gauc for one in run.history]


def test_without_users_nothing_is_measured_within_them(spec: Path) -> None:
    run = train(spec, spec.parent / "without", device="cpu", overrides=[*SMALL, "train.length=3 steps"])
    assert run.metrics["users"].null_count() == len(run.metrics)
    assert [one.valid_mean_gauc for one in run.history] == [None]


def test_rows_in_memory_have_users_too(spec: Path) -> None:
    table = pl.read_parquet(spec.parent / "train.parquet")
    few = [*WITHIN, "train.length=3 steps", "data.valid=split(random: 20%)", "data.test=none"]
    run = train(spec, spec.parent / "held", data=table, device="cpu", overrides=few)
    assert run.metrics.filter(pl.col("leaf") == "(all)")["users"].min() > 0


def test_the_number_of_users_stands_beside_their_auc() -> None:
    leaves = (
        Score("a", "click", 9, 4, 0.4, 0.7, 0.6, 0.8, 0.3, 0.9, 1.0, 0.1, 1.0, None, None, 1),
        *(
            Score(leaf, "click", 9, 4, 0.4, 0.7, 0.6, 0.8, 0.3, 0.9, 1.0, 0.1, 0.8123, 0.75, 0.87, 1234)
            for leaf in ("b", "(all)")
        ),
    )
    table = metrics_table(metrics_frame(leaves), "", "run")
    columns = {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}
    assert columns["GAUC"] == ["1.0000", "0.8123", "0.8123"]
    assert columns["users"] == ["1", "1,234", "1,234"]
    assert columns["GAUC 95 %"] == ["-", "0.750-0.870", "0.750-0.870"]
