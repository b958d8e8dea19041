"""The paired test on rows: its sign, its p, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aesm_dsl.training.metrics.auc import auc
from aesm_dsl.training.metrics.paired_rows_test import ranked_rows, row_tests
from aesm_dsl.training.metrics.scores import PredictedRows
from tests.report.cases import make_plan

PLAN = make_plan({"entry": {"a": "a", "b": "b"}})
ROWS = 600


def predicted(skill: float, seed: int) -> PredictedRows:
    """Scores that are as good as `skill` says, on rows that are the same for all seeds."""
    fixed = np.random.default_rng(0)
    label_RT = (fixed.random((ROWS, 2)) < 0.4).astype(float)
    node_RL = (fixed.random((ROWS, 1)) < 0.3).astype(np.int64)
    label_RT[:20, 1] = np.nan
    score_RT = skill * np.nan_to_num(label_RT) + fixed.normal(size=(ROWS, 2))
    score_RT += 0.3 * np.random.default_rng(seed).normal(size=(ROWS, 2))
    return PredictedRows(score_RT - 10, -score_RT, label_RT, node_RL, np.ones(ROWS))


def test_the_difference_is_that_of_the_mean_aucs() -> None:
    good, bad = [predicted(1.5, seed) for seed in (1, 2)], [predicted(0.5, seed) for seed in (3, 4)]
    one, other = ranked_rows(PLAN, good), ranked_rows(PLAN, bad)
    assert one is not None
    assert other is not None
    tests = row_tests(one, other)
    assert list(tests) == [(leaf, task) for leaf in ("a", "b", "(all)") for task in ("click", "purchase")]
    found = tests["(all)", "purchase"]
    seen = slice(20, None)
    areas = [np.mean([auc(run.yes_RT[seen, 1], run.label_RT[seen, 1]) for run in runs]) for runs in (good, bad)]
    assert found.difference == pytest.approx(areas[0] - areas[1])
    assert found.low < found.difference < found.high
    assert found.p < 1e-6
    back = row_tests(other, one)["(all)", "purchase"]
    assert back.difference == pytest.approx(-found.difference)
    assert back.p == pytest.approx(found.p)
    alike = ranked_rows(PLAN, [predicted(1.5, seed) for seed in (5, 6)])
    assert alike is not None
    assert row_tests(one, alike)["(all)", "click"].p > 0.01


def test_other_rows_are_not_compared() -> None:
    run = predicted(1.0, 1)
    moved = replace(run, label_RT=1 - run.label_RT)
    assert ranked_rows(PLAN, [run, moved]) is None
    one, other = ranked_rows(PLAN, [run]), ranked_rows(PLAN, [moved])
    assert one is not None
    assert other is not None
    assert row_tests(one, other) == {}
    assert row_tests(one, one) == {}  # nothing to tell apart, and no error of it


def test_a_class_without_rows_is_left_out() -> None:
    run = predicted(1.0, 1)
    label_RT = run.label_RT.copy()
    label_RT[run.node_RL[:, 0] == 1, 0] = 0
    one = ranked_rows(PLAN, [replace(run, label_RT=label_RT)])
    assert one is not None
    assert ("b", "click") not in one.right
    assert ("b", "purchase") in one.right
