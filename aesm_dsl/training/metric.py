"""How good probabilities are, per leaf and task: AUC, log loss, normalised entropy, calibration. Axes: R rows, T tasks.

A leaf is a path of nodes, one per scenario level. Rows count for nothing without a label, with the weight 0, or outside
the task's sample space; others count their weight, in every metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.auc import delong
from aesm_dsl.plan import UNKNOWN, Plan

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALL = "all"
"""Name of the leaf that stands for all rows."""

OUTSIDE = "(unknown)"
"""Stands for an unknown node in a leaf's name; no node can be called so."""


SURE = 1.959964
"""Standard errors on either side of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Score:
    """One task on the rows of one leaf."""

    leaf: str
    """Node names joined by " > ", or "all"."""
    task: str
    rows: int
    """Rows that count."""
    positives: int
    rate: float | None
    """Weighted share of positives; None without rows."""
    auc: float | None
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only."""
    auc_low: float | None
    """Where the 95 % interval of the AUC begins (DeLong 1988); None where a class has one row or none."""
    auc_high: float | None
    """Where it ends."""
    log_loss: float | None
    """Mean of -log of the probability given to what happened, in nats; None without rows."""
    normalised_entropy: float | None
    """Log loss over that of always saying `rate`: below 1 is better than that (He et al., ADKDD 2014); None with one
    class only."""
    calibration: float | None
    """Positives foretold (the sum of all p) over positives seen; None without positives."""


def scores(
    plan: Plan, yes_RT: Floats, no_RT: Floats, label_RT: Floats, node_RL: Whole, weight_R: Floats
) -> tuple[Score, ...]:
    """Every leaf x task, leaves in the hierarchy's order, then all rows together.

    yes_RT, no_RT  log of the probability of 1 and of 0
    label_RT       0, 1, or NaN where missing
    weight_R       from 0
    """
    found = []
    leaves = leaf_rows(plan, node_RL) if plan.levels else {}
    for leaf, rows in {**leaves, ALL: np.arange(len(node_RL))}.items():
        for position, task in enumerate(plan.tasks.tasks):
            label_R = label_RT[rows, position]
            seen = rows[~np.isnan(label_R) & (weight_R[rows] > 0)]
            column = (seen, position)
            found.append(score(leaf, task.name, yes_RT[column], no_RT[column], label_RT[column], weight_R[seen]))
    return tuple(found)


def score(leaf: str, task: str, yes_R: Floats, no_R: Floats, label_R: Floats, weight_R: Floats) -> Score:
    """The score of rows that all count: every label is 0 or 1, every weight above 0."""
    rows, positives = len(label_R), int(label_R.sum())
    if not rows:
        return Score(leaf, task, 0, 0, None, None, None, None, None, None, None)
    seen = float((weight_R * label_R).sum())
    rate = seen / float(weight_R.sum())
    area, error = delong(yes_R, label_R, weight_R) or (None, None)
    low, high = (None, None)
    if area is not None and error is not None:
        low, high = max(0.0, area - SURE * error), min(1.0, area + SURE * error)
    spent = float((weight_R * -np.where(label_R == 1, yes_R, no_R)).sum() / weight_R.sum())
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)) if 0 < positives < rows else None
    return Score(
        leaf,
        task,
        rows,
        positives,
        rate,
        area,
        low,
        high,
        spent,
        None if entropy is None else float(spent / entropy),
        float((weight_R * np.exp(yes_R)).sum()) / seen if positives else None,
    )


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


def mean(found: tuple[Score, ...], metric: str) -> float | None:
    """Mean over tasks of a metric on all rows; tasks without one are left out, None when none has one.

    metric  "mean_auc", "log_loss" or "normalised_entropy"
    """
    name = metric.removeprefix("mean_")
    values = [getattr(score, name) for score in found if score.leaf == ALL and getattr(score, name) is not None]
    return float(np.mean(values)) if values else None
