"""`RowTest`: would two architectures differ on other rows too? A paired test by their scores on the same rows.

Axes: R rows, T tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.auc import difference, right_sides
from aesm_dsl.training.metrics.scores import Floats, PredictedRows, task_rows
from aesm_dsl.training.metrics.t_test import normal_quantile

Place = tuple[str, str]
"""A leaf, or ALL (scores.py), and a task."""


@dataclass(frozen=True, slots=True)
class RowTest:
    """Mean AUC of one architecture's runs minus that of another's, and how far it may be off on other rows."""

    difference: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    p: float
    """Probability of a difference at least as large if there were none (two-sided, normal)."""


@dataclass(frozen=True, slots=True)
class RankedRows:
    """What the runs of one architecture rank correctly, by leaf and task, of the rows that count there."""

    right: dict[Place, Floats]
    """For each row the share of the other class that it ranks correctly against: V of DeLong, mean over the runs."""
    label: dict[Place, Floats]
    weight: dict[Place, Floats]


def ranked_rows(plan: Plan, runs: Sequence[PredictedRows]) -> RankedRows | None:
    """Returns what the runs of one architecture rank correctly; None if they were not measured on the same rows.

    Args:
        plan: of the runs.
        runs: what each run predicted.
    """
    first = runs[0]
    if any(not _same_rows(first, rows) for rows in runs):
        return None
    ranked = RankedRows({}, {}, {})
    for parts in zip(*(task_rows(plan, rows) for rows in runs), strict=True):
        leaf, task, counted = parts[0]
        label_R, weight_R = counted.label_R, counted.weight_R
        if not 0 < label_R.sum() < len(label_R):
            continue
        place = leaf, task
        ranked.right[place] = np.mean([right_sides(rows.yes_R, label_R, weight_R)[1] for *_, rows in parts], axis=0)
        ranked.label[place], ranked.weight[place] = label_R, weight_R
    return ranked


def row_tests(first: RankedRows, second: RankedRows) -> dict[Place, RowTest]:
    """Returns the paired test of DeLong, DeLong and Clarke-Pearson (1988) between means of runs, by leaf and task.

    Empty if both were not measured on the same rows; without a leaf and task where a class has one row.
    """
    tests = {}
    for place, label_R in first.label.items():
        if place not in second.label or not np.array_equal(label_R, second.label[place]):
            return {}
        less, error = difference(first.right[place], second.right[place], label_R, first.weight[place])
        if error:
            p, reach = math.erfc(abs(less) / error / math.sqrt(2)), normal_quantile() * error
            tests[place] = RowTest(less, less - reach, less + reach, p)
    return tests


def _same_rows(first: PredictedRows, second: PredictedRows) -> bool:
    """Whether both are of the same rows, as far as nodes, labels and weights tell."""
    pairs = (
        (first.node_RL, second.node_RL),
        (first.label_RT, second.label_RT),
        (first.weight_R, second.weight_R),
    )
    return all(np.array_equal(own, rival, equal_nan=own.dtype.kind == "f") for own, rival in pairs)
