"""`Calibration`: predicted probability against observed frequency, in bins of rows. Axes: R rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.plan.plan import Plan
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
    """One task on the rows of one leaf: bins of as many rows each, the lowest probability first; none without rows."""

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
    order_R = np.argsort(p_R, kind="stable")
    parts = np.array_split(order_R, min(BINS, max(1, len(p_R) // LEAST_ROWS)))
    return tuple(
        Bin(
            len(part),
            float(np.average(p_R[part], weights=weight_R[part])),
            float(np.average(label_R[part], weights=weight_R[part])),
        )
        for part in parts
    )
