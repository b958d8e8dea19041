"""Whether leaves that are short of rows can learn from the others: do features mean the same there?

Every feature's values get their rate of positives over all other leaves; in the leaf, how that goes with the label is a
correlation. A leaf is like the others where these correlations are as high as theirs. Axes: R rows, F features.
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
"""Positives, and negatives, of a leaf in the sample without which nothing is said."""
SMALL = 0.5
"""A leaf is small with fewer rows than this part of the mean leaf."""
BUCKETS = 16
"""A number's values are put into as many buckets of equal traffic."""


def leaf_similarity(plan: Plan, sample: RowSample, rows_N: Sequence[int]) -> list[dict[str, Any]]:
    """Per leaf and task: `alike`, the correlation of the label with a score that the other leaves teach, over the one
    with a score that the leaf's own rows teach, both on rows that taught neither; None without enough rows to say.

    Near 1 the leaf loses nothing by learning from the others; near 0 what they know is of no use to it.
    """
    rows = sample.frame()
    if not rows.height or len(rows_N) < 2:
        return []
    index = LeafIndex(plan)
    nodes = [rows[f"node {level.name}"].to_numpy() for level in plan.levels]
    leaf_R = index.of(np.column_stack(nodes))
    cells = pl.DataFrame({feature.name: _buckets(rows, feature.name) for feature in sample.features})
    mean, found = sum(rows_N) / len(rows_N), []
    for leaf, name in enumerate(index.names):
        for task in plan.tasks.tasks:
            label_R = rows[f"label {task.name}"].to_numpy().astype(np.float64)
            alike = _alike(cells, label_R, leaf_R == leaf)
            found.append({"leaf": name, "task": task.name, "small": rows_N[leaf] < SMALL * mean, "alike": alike})
    return found


def _buckets(rows: pl.DataFrame, feature: str) -> pl.Series:
    text = rows[f"text {feature}"]
    if f"value {feature}" not in rows.columns:
        return text
    values = rows[f"value {feature}"].fill_nan(None)
    return (values.rank("max") * BUCKETS / max(1, len(values))).floor().cast(pl.String)


def _alike(cells: pl.DataFrame, label_R: Any, inside_R: Any) -> float | None:
    known_R = ~np.isnan(label_R)
    inside, outside = np.flatnonzero(inside_R & known_R), np.flatnonzero(~inside_R & known_R)
    ones = int(label_R[inside].sum())
    if min(ones, len(inside) - ones) < LEAST or not len(outside):
        return None
    half = len(inside) // 2
    draw = np.random.default_rng(0).permutation(inside)
    learnt, scored = draw[:half], draw[half:]
    own = _correlation(_score(cells, label_R, learnt, scored), label_R[scored])
    others = _correlation(_score(cells, label_R, outside, scored), label_R[scored])
    if own is None or others is None or max(own, others) < 3 / len(scored) ** 0.5:
        return None
    return round(float(np.clip(others / max(own, others), 0, 1)), 3)


def _score(cells: pl.DataFrame, label_R: Any, learnt: Any, scored: Any) -> Any:
    """Sum over the features of the log odds of the value's rate, learnt from some rows, of others."""
    mean = float(label_R[learnt].mean())
    total = np.zeros(len(scored))
    for column in cells:
        known = pl.DataFrame({"value": column.gather(learnt), "label": label_R[learnt]})
        rates = known.group_by("value").agg(((pl.col("label").sum() + 20 * mean) / (pl.len() + 20)).alias("rate"))
        seen = pl.DataFrame({"value": column.gather(scored)})
        rate = seen.join(rates, on="value", how="left", nulls_equal=True, maintain_order="left")["rate"]
        rate_R = np.clip(rate.fill_null(mean).to_numpy(), 1e-6, 1 - 1e-6)
        total += np.log(rate_R / (1 - rate_R))
    return total


def _correlation(score_R: Any, label_R: Any) -> float | None:
    if np.ptp(score_R) == 0 or np.ptp(label_R) == 0:
        return None
    return float(np.corrcoef(score_R, label_R)[0, 1])
