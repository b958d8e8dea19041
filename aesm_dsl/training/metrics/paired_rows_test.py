"""`RowTest`: whether two architectures would differ on other rows too, by their scores on the same rows.

Axes: R rows, T tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.auc import difference, right_sides
from aesm_dsl.training.metrics.predictions import Predictions
from aesm_dsl.training.metrics.scores import ALL, SURE, Floats, leaf_rows

Place = tuple[str, str]
"""A leaf, or "all", and a task."""


@dataclass(frozen=True, slots=True)
class RowTest:
    """The mean AUC of one architecture's runs minus that of another's, and how far other rows may move it."""

    difference: float
    low: float
    """Where the 95 % interval begins."""
    high: float
    p: float
    """Probability of a difference at least as large if there were none (two-sided, normal)."""


@dataclass(frozen=True, slots=True)
class Sides:
    """By place, of each row that counts: the share of the other class it is on the right side of, mean of the runs."""

    right: dict[Place, Floats]
    label: dict[Place, Floats]
    weight: dict[Place, Floats]


def sides(plan: Plan, forecasts: Sequence[Predictions]) -> Sides | None:
    """Of the runs of one architecture; None where they were not measured on the same rows."""
    first = forecasts[0]
    if any(not _same(first, one) for one in forecasts):
        return None
    found = Sides({}, {}, {})
    leaves = leaf_rows(plan, first.node_RL) if plan.levels else {}
    for leaf, rows in {**leaves, ALL: np.arange(len(first.node_RL))}.items():
        for position, task in enumerate(plan.tasks.tasks):
            seen = rows[~np.isnan(first.label_RT[rows, position]) & (first.weight_R[rows] > 0)]
            label_R, weight_R = first.label_RT[seen, position], first.weight_R[seen]
            if not 0 < label_R.sum() < len(label_R):
                continue
            place = leaf, task.name
            parts = [right_sides(one.yes_RT[seen, position], label_R, weight_R)[1] for one in forecasts]
            found.right[place] = np.mean(parts, axis=0)
            found.label[place], found.weight[place] = label_R, weight_R
    return found


def row_tests(one: Sides, other: Sides) -> dict[Place, RowTest]:
    """By place the paired test of DeLong, DeLong and Clarke-Pearson (1988) between means of runs.

    Empty where both were not measured on the same rows; a place with one row of a class is left out.
    """
    found = {}
    for place, label_R in one.label.items():
        if place not in other.label or not np.array_equal(label_R, other.label[place]):
            return {}
        less, error = difference(one.right[place], other.right[place], label_R, one.weight[place])
        if error:
            p = math.erfc(abs(less) / error / math.sqrt(2))
            found[place] = RowTest(less, less - SURE * error, less + SURE * error, p)
    return found


def _same(one: Predictions, other: Predictions) -> bool:
    """Whether both are of the same rows, as far as nodes, labels and weights tell."""
    pairs = ((one.node_RL, other.node_RL), (one.label_RT, other.label_RT), (one.weight_R, other.weight_R))
    return all(np.array_equal(first, second, equal_nan=first.dtype.kind == "f") for first, second in pairs)
