"""`Calibration`: predicted probability against observed frequency, in bins of rows. Axes: R rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.score_histogram import groups
from aesm_dsl.training.metrics.scores import Floats, PredictedRows, task_rows

BINS = 10
LEAST_ROWS = 20
"""Rows of a bin; with fewer rows there are fewer bins."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about the same predicted probability. The names of the fields are those of calibration.json."""

    rows: int
    foretold: float
    """Predicted: weighted mean of the rows' probability."""
    seen: float
    """Observed: weighted share of positives among the rows."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One task on the rows of one leaf: bins of about equal weight, the lowest probability first; none without rows.

    Rows of equal probability are in one bin, as in the calibration error of the scores.
    """

    leaf: str
    task: str
    bins: tuple[Bin, ...]


def calibrations(plan: Plan, rows: PredictedRows) -> tuple[Calibration, ...]:
    """Returns the calibration of every leaf and task, in the order of `scores`, and of the same rows."""
    return tuple(
        Calibration(leaf, task, _bins(np.exp(counted.yes_R), counted.label_R, counted.weight_R))
        for leaf, task, counted in task_rows(plan, rows)
    )


def _bins(p_R: Floats, label_R: Floats, weight_R: Floats) -> tuple[Bin, ...]:
    if not len(p_R):
        return ()
    value_C, cell_R = np.unique(p_R, return_inverse=True)
    bins = min(BINS, max(1, len(p_R) // LEAST_ROWS))
    group_R = groups(np.bincount(cell_R, weight_R, len(value_C)).astype(np.float64), bins)[cell_R]
    return tuple(
        Bin(
            int(chosen_R.sum()),
            float(np.average(p_R[chosen_R], weights=weight_R[chosen_R])),
            float(np.average(label_R[chosen_R], weights=weight_R[chosen_R])),
        )
        for group in range(bins)
        if (chosen_R := group_R == group).any()
    )
