"""`Calibration`: how often what was foretold happened, in bins of rows by their probability. Axes: R rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.scores import ALL, Floats, Whole, leaf_rows

BINS = 10
LEAST_ROWS = 20
"""Rows of a bin; with fewer rows there are fewer bins."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about the same probability."""

    rows: int
    foretold: float
    """Weighted mean of their probability."""
    seen: float
    """Weighted share of positives among them."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One task on the rows of one leaf: bins of as many rows each, the lowest probability first; none without rows."""

    leaf: str
    task: str
    bins: tuple[Bin, ...]

    @staticmethod
    def from_data(values: Mapping[str, Any]) -> Calibration:
        """The calibration that `dataclasses.asdict` and JSON made a dictionary of."""
        return Calibration(**{**values, "bins": tuple(Bin(**one) for one in values["bins"])})


def calibrations(
    plan: Plan, yes_RT: Floats, label_RT: Floats, node_RL: Whole, weight_R: Floats
) -> tuple[Calibration, ...]:
    """Every leaf x task, in the order of `metric.scores`, and of the same rows.

    yes_RT    log of the probability of 1
    label_RT  0, 1, or NaN where missing
    """
    leaves = leaf_rows(plan, node_RL) if plan.levels else {}
    found = []
    for leaf, rows in {**leaves, ALL: np.arange(len(node_RL))}.items():
        for position, task in enumerate(plan.tasks.tasks):
            seen = rows[~np.isnan(label_RT[rows, position]) & (weight_R[rows] > 0)]
            bins = _bins(np.exp(yes_RT[seen, position]), label_RT[seen, position], weight_R[seen])
            found.append(Calibration(leaf, task.name, bins))
    return tuple(found)


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
