"""How good probabilities are, per leaf and task: AUC and log loss. Axes: R rows, T tasks.

A leaf is a path of nodes, one per scenario level. Rows whose label is missing count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.auc import auc
from aesm_dsl.plan import UNKNOWN, Plan

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALL = "all"
"""Name of the leaf that stands for all rows."""

OUTSIDE = "(unknown)"
"""Stands for an unknown node in a leaf's name; no node can be called so."""


@dataclass(frozen=True, slots=True)
class Score:
    """One task on the rows of one leaf."""

    leaf: str
    """Node names joined by " > ", or "all"."""
    task: str
    rows: int
    """Rows with a label."""
    positives: int
    auc: float | None
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only."""
    log_loss: float | None
    """Mean of -log of the probability given to what happened, in nats; None without rows."""


def scores(plan: Plan, yes_RT: Floats, no_RT: Floats, label_RT: Floats, node_RL: Whole) -> tuple[Score, ...]:
    """Every leaf x task, leaves in the hierarchy's order, then all rows together.

    yes_RT, no_RT  log of the probability of 1 and of 0
    label_RT       0, 1, or NaN where missing
    """
    found = []
    leaves = leaf_rows(plan, node_RL) if plan.levels else {}
    for leaf, rows in {**leaves, ALL: np.arange(len(node_RL))}.items():
        for position, task in enumerate(plan.tasks.tasks):
            label_R = label_RT[rows, position]
            seen = rows[~np.isnan(label_R)]
            label_R = label_RT[seen, position]
            found.append(
                Score(
                    leaf,
                    task.name,
                    len(seen),
                    int(label_R.sum()),
                    auc(yes_RT[seen, position], label_R),
                    log_loss(yes_RT[seen, position], no_RT[seen, position], label_R),
                )
            )
    return tuple(found)


def leaf_rows(plan: Plan, node_RL: Whole) -> dict[str, Whole]:
    """Name of each leaf of the hierarchy -> its rows, in order; leaves without rows are there with none.

    Rows with an unknown node come behind these, a leaf for each path with `(unknown)` in it that has rows.
    """
    sizes = [len(level.nodes) - UNKNOWN for level in plan.levels]
    key_R = np.ravel_multi_index(tuple(node_RL.T - UNKNOWN), sizes) if len(node_RL) else np.zeros(0, np.int64)
    order_R = np.argsort(key_R, kind="stable")
    keys, starts = np.unique(key_R[order_R], return_index=True)
    rows_of = dict(zip(keys.tolist(), np.split(order_R, starts[1:]), strict=True)) if len(keys) else {}
    found: dict[str, Whole] = {}
    for path in plan.leaves:
        key = int(np.ravel_multi_index([index - UNKNOWN for index in path], sizes))
        found[_name(plan, path)] = rows_of.get(key, np.zeros(0, np.int64))
    for key, rows in rows_of.items():
        path = tuple(int(index) + UNKNOWN for index in np.unravel_index(key, sizes))
        if UNKNOWN in path:
            found[_name(plan, path)] = rows
    return found


def _name(plan: Plan, path: tuple[int, ...]) -> str:
    pairs = zip(plan.levels, path, strict=True)
    return " > ".join(OUTSIDE if index == UNKNOWN else level.nodes[index].name for level, index in pairs)


def mean_auc(found: tuple[Score, ...]) -> float | None:
    """Mean over tasks of the AUC on all rows; tasks without one are left out, None when none has one."""
    values = [score.auc for score in found if score.leaf == ALL and score.auc is not None]
    return float(np.mean(values)) if values else None


def log_loss(yes_R: Floats, no_R: Floats, label_R: Floats) -> float | None:
    """Mean of -log p of what happened, in nats; None without rows."""
    return float(-np.where(label_R == 1, yes_R, no_R).mean()) if len(label_R) else None
