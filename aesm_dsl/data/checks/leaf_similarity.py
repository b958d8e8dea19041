"""Estimates whether leaves with few rows can learn from the other leaves: do features mean the same in both?

Every value of a feature gets the rate of positives that it has in all other leaves. A leaf is similar to the others if
these rates correlate with its labels as well as rates from its own rows do.
Axes: R rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.checks.leaves import LeafIndex
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.plan.plan import Plan

LEAST = 30
"""With fewer positives, or negatives, of a leaf in the sample, nothing is said about the leaf."""
SMALL = 0.5
"""A leaf is small if it has fewer rows than this part of the mean leaf."""
BUCKETS = 16
"""Numbers are cut into this many buckets of equal traffic."""


def leaf_similarity(plan: Plan, sample: RowSample, rows_N: Sequence[int]) -> list[dict[str, Any]]:
    """Returns how similar every leaf is to the others, for every task.

    `alike` is the correlation of the label with a score learnt from the other leaves, over its correlation with a score
    learnt from the leaf's own rows, both measured on rows that neither score was learnt from. Near 1, the leaf loses
    nothing by learning from the others; near 0, what they teach is of no use to it.

    Args:
        plan: names the leaves and tasks.
        sample: training rows.
        rows_N: training rows of every leaf.

    Returns:
        A dict for each leaf and task: "leaf", "task", "small" (fewer rows than SMALL of the mean leaf) and "alike"
        (None if there are too few rows). Empty with fewer than two leaves.
    """
    rows = sample.frame()
    if not rows.height or len(rows_N) < 2:
        return []
    index = LeafIndex(plan)
    nodes = [rows[f"node {level.name}"].to_numpy() for level in plan.levels]
    leaf_R = index.leaf_of(np.column_stack(nodes))
    cells = pl.DataFrame({feature.name: _buckets(rows, feature.name) for feature in sample.features})
    mean, similarities = sum(rows_N) / len(rows_N), []
    for leaf, name in enumerate(index.names):
        for task in plan.tasks.tasks:
            label_R = rows[f"label {task.name}"].to_numpy().astype(np.float64)
            alike = _alike(cells, label_R, leaf_R == leaf)
            similarities.append({"leaf": name, "task": task.name, "small": rows_N[leaf] < SMALL * mean, "alike": alike})
    return similarities


def _buckets(rows: pl.DataFrame, feature: str) -> pl.Series:
    text = rows[f"text {feature}"]
    if f"value {feature}" not in rows.columns:
        return text
    values = rows[f"value {feature}"].fill_nan(None)
    return (values.rank("max") * BUCKETS / max(1, len(values))).floor().cast(pl.String)


def _alike(cells: pl.DataFrame, label_R: Any, inside_R: Any) -> float | None:
    """`alike` of one leaf, whose rows are `inside_R`, for the task with these labels."""
    known_R = ~np.isnan(label_R)
    inside, outside = np.flatnonzero(inside_R & known_R), np.flatnonzero(~inside_R & known_R)
    ones = int(label_R[inside].sum())
    if min(ones, len(inside) - ones) < LEAST or not len(outside):
        return None
    half = len(inside) // 2
    shuffled = np.random.default_rng(0).permutation(inside)
    learnt, scored = shuffled[:half], shuffled[half:]
    own = _correlation(_score(cells, label_R, learnt, scored), label_R[scored])
    others = _correlation(_score(cells, label_R, outside, scored), label_R[scored])
    if own is None or others is None or max(own, others) < 3 / len(scored) ** 0.5:
        return None
    return round(float(np.clip(others / max(own, others), 0, 1)), 3)


def _score(cells: pl.DataFrame, label_R: Any, learnt: Any, scored: Any) -> Any:
    """The score of the rows `scored`: the sum over the features of the log odds of the value's rate in `learnt`."""
    mean = float(label_R[learnt].mean())
    total = np.zeros(len(scored))
    for column in cells:
        known = pl.DataFrame({"value": column.gather(learnt), "label": label_R[learnt]})
        rates = known.group_by("value").agg(((pl.col("label").sum() + 20 * mean) / (pl.len() + 20)).alias("rate"))
        values = pl.DataFrame({"value": column.gather(scored)})
        rate = values.join(rates, on="value", how="left", nulls_equal=True, maintain_order="left")["rate"]
        rate_R = np.clip(rate.fill_null(mean).to_numpy(), 1e-6, 1 - 1e-6)
        total += np.log(rate_R / (1 - rate_R))
    return total


def _correlation(score_R: Any, label_R: Any) -> float | None:
    if np.ptp(score_R) == 0 or np.ptp(label_R) == 0:
        return None
    return float(np.corrcoef(score_R, label_R)[0, 1])
