"""`Score`: how good predictions are, per leaf and task: AUC, GAUC, log loss, normalised entropy, calibration.

Axes: R rows, L levels, T tasks, U users. A leaf is a path of nodes, one per scenario level. A row does not count if it
has no label, a weight of 0, or lies outside the task's sample space; other rows count by their weight in every metric.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.batch import NOBODY
from aesm_dsl.plan.plan import UNKNOWN, Plan
from aesm_dsl.training.metrics.auc import auc_interval, auc_within
from aesm_dsl.training.metrics.ranking import mean_interval, query_metrics
from aesm_dsl.training.metrics.score_histogram import ScoreHistogram, TaskRows

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALL = "(all)"
"""What stands in place of a leaf for all rows together: no node can have such a name."""

OLD_ALL = "all"
"""What earlier versions wrote instead, although a node may be called so."""


class OfLeaf(Protocol):
    """A dataclass about the rows of a leaf."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def leaf(self) -> str: ...


LeafValue = TypeVar("LeafValue", bound=OfLeaf)


@dataclass(frozen=True, slots=True)
class PredictedRows:
    """What was predicted for rows, and what was observed."""

    yes_RT: Floats
    """Log of the probability of 1."""
    no_RT: Floats
    """Log of the probability of 0."""
    label_RT: Floats
    """0, 1, or NaN where missing."""
    node_RL: Whole
    """Each row's node on every level."""
    weight_R: Floats
    """From 0."""
    user_R: Whole | None = None
    """A number for each user, NOBODY if it is not known; None if the rows came without users."""
    query_R: Whole | None = None
    """The same for each query."""


@dataclass(frozen=True, slots=True)
class Score:
    """The metrics of one task on the rows of one leaf."""

    leaf: str
    """Node names joined by " > ", or ALL."""
    task: str
    rows: int
    """Rows that count."""
    positives: int
    rate: float | None
    """Weighted share of positives; None without rows."""
    auc: float | None
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only."""
    auc_low: float | None
    """Lower end of the AUC's 95 % interval (DeLong 1988); None if a class has one row or none, or the
    classes are separated entirely."""
    auc_high: float | None
    """Upper end of the interval."""
    log_loss: float | None
    """Mean of -log of the predicted probability of the observed label, in nats; None without rows."""
    normalised_entropy: float | None
    """Log loss over that of always predicting `rate`: below 1 is better than that (He et al., ADKDD 2014). None with
    one class only."""
    calibration: float | None
    """Predicted over observed positives (the sum of all p over that of the labels); None without positives."""
    calibration_error: float | None = None
    """Expected calibration error (ECE): mean distance between predicted and observed rate over groups of equal weight,
    in order of probability (score_histogram.py); None without rows."""
    gauc: float | None = None
    """GAUC, the AUC within users: mean over the users with both classes, weighted by their rows (Zhu et al., KDD 2018);
    None if no user has both classes, or the rows came without users."""
    gauc_low: float | None = None
    """Lower end of its 95 % interval, by how users differ; None if they do not."""
    gauc_high: float | None = None
    users: int | None = None
    """Users with both classes, over which `gauc` is the mean; None if the spec names no column of users."""
    auc_off: float | None = None
    """Bound of the error of `auc` if the rows were counted in fixed memory; None if `auc` is exact."""
    queries: int | None = None
    """Queries with a positive row, over which the following are means, each query counting once (ranking.py); None if
    the spec names no column of queries."""
    ndcg: float | None = None
    """NDCG of the first `data.top` rows of a query."""
    ndcg_low: float | None = None
    """Lower end of its 95 % interval, by how queries differ; None if they do not."""
    ndcg_high: float | None = None
    mrr: float | None = None
    """Mean of 1 / place of a query's first positive row."""
    mrr_low: float | None = None
    mrr_high: float | None = None
    hit_rate: float | None = None
    """Share of the queries with a positive row among the first `data.top`."""
    hit_rate_low: float | None = None
    hit_rate_high: float | None = None
    map: float | None = None
    """Mean over the queries of the average precision."""
    map_low: float | None = None
    map_high: float | None = None

    @property
    def intervals(self) -> tuple[tuple[float | None, float | None, float | None], ...]:
        """The metrics that have one, each with both ends of its interval; all are shares."""
        return (
            (self.auc, self.auc_low, self.auc_high),
            (self.gauc, self.gauc_low, self.gauc_high),
            (self.ndcg, self.ndcg_low, self.ndcg_high),
            (self.mrr, self.mrr_low, self.mrr_high),
            (self.hit_rate, self.hit_rate_low, self.hit_rate_high),
            (self.map, self.map_low, self.map_high),
        )


def scores(plan: Plan, rows: PredictedRows) -> tuple[Score, ...]:
    """Returns the score of every leaf and task, leaves in the hierarchy's order, then of all rows together."""
    return tuple(
        with_queries(with_users(score(leaf, task, ScoreHistogram.of(counted)), counted), counted, plan)
        for leaf, task, counted in task_rows(plan, rows)
    )


def task_rows(plan: Plan, rows: PredictedRows) -> Iterator[tuple[str, str, TaskRows]]:
    """Yields every leaf and task with the rows that count there: leaves in the hierarchy's order, then all together."""
    leaves = leaf_rows(plan, rows.node_RL) if plan.levels else {}
    for leaf, of_leaf in {**leaves, ALL: np.arange(len(rows.node_RL))}.items():
        for column, task in enumerate(plan.tasks.tasks):
            known = ~np.isnan(rows.label_RT[of_leaf, column]) & ~np.isnan(rows.yes_RT[of_leaf, column])
            counted = of_leaf[known & (rows.weight_R[of_leaf] > 0)]
            yield (
                leaf,
                task.name,
                TaskRows(
                    rows.yes_RT[counted, column],
                    rows.no_RT[counted, column],
                    rows.label_RT[counted, column],
                    rows.weight_R[counted],
                    None if rows.user_R is None else rows.user_R[counted],
                    None if rows.query_R is None else rows.query_R[counted],
                ),
            )


def score(leaf: str, task: str, cells: ScoreHistogram) -> Score:
    """Returns the score of the rows of a histogram."""
    if not cells.rows:
        return Score(leaf, task, 0, 0, None, None, None, None, None, None, None)
    observed, rate = float(cells.positive_C.sum()), float(cells.positive_C.sum()) / cells.weight
    area, error = cells.auc() or (None, None)
    low, high = auc_interval(area, error)
    spent = cells.lost / cells.weight
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)) if 0 < cells.positives < cells.rows else None
    return Score(
        leaf,
        task,
        cells.rows,
        cells.positives,
        rate,
        area,
        low,
        high,
        spent,
        None if entropy is None else float(spent / entropy),
        float(cells.foretold_C.sum()) / observed if cells.positives else None,
        cells.calibration_error(),
    )


def with_users(own: Score, rows: TaskRows) -> Score:
    """Returns the score with the AUC within users, if the rows have users."""
    if rows.user_R is None:
        return own
    known_R = rows.user_R != NOBODY
    area_U, weight_U = auc_within(
        rows.user_R[known_R], rows.yes_R[known_R], rows.label_R[known_R], rows.weight_R[known_R]
    )
    if not len(area_U):
        return replace(own, users=0)
    mean, error = float((weight_U * area_U).sum() / weight_U.sum()), None
    if len(area_U) > 1:
        off = float((weight_U**2 * (area_U - mean) ** 2).sum()) / float(weight_U.sum()) ** 2
        error = (off * len(area_U) / (len(area_U) - 1)) ** 0.5
    low, high = auc_interval(mean, error)
    return replace(own, gauc=mean, gauc_low=low, gauc_high=high, users=len(area_U))


def with_queries(own: Score, rows: TaskRows, plan: Plan) -> Score:
    """Returns the score with the metrics within queries, if the rows have queries. Weights of rows do not count."""
    if rows.query_R is None or plan.data is None:
        return own
    known_R = rows.query_R != NOBODY
    metrics = query_metrics(rows.query_R[known_R], rows.yes_R[known_R], rows.label_R[known_R], plan.data.top)
    means: dict[str, Any] = {"queries": len(metrics.ndcg_Q)}
    for name, value_Q in (
        ("ndcg", metrics.ndcg_Q),
        ("mrr", metrics.mrr_Q),
        ("hit_rate", metrics.hit_Q),
        ("map", metrics.map_Q),
    ):
        means |= zip((name, f"{name}_low", f"{name}_high"), mean_interval(value_Q), strict=True)
    return replace(own, **means)


def leaf_rows(plan: Plan, node_RL: Whole) -> dict[str, Whole]:
    """Returns the rows of every leaf of the hierarchy, by the leaf's name, in order; a leaf without rows has none.

    After them come the paths with an unknown node that have rows, with `(unknown)` in their name.
    """
    sizes = [len(level.nodes) - UNKNOWN for level in plan.levels]
    key_R = np.ravel_multi_index(tuple(node_RL.T - UNKNOWN), sizes) if len(node_RL) else np.zeros(0, np.int64)
    order_R = np.argsort(key_R, kind="stable")
    keys, starts = np.unique(key_R[order_R], return_index=True)
    rows_of = dict(zip(keys.tolist(), np.split(order_R, starts[1:]), strict=True)) if len(keys) else {}
    leaves: dict[str, Whole] = {}
    for path in plan.leaves:
        key = int(np.ravel_multi_index([index - UNKNOWN for index in path], sizes))
        leaves[plan.leaf_name(path)] = rows_of.get(key, np.zeros(0, np.int64))
    for key, rows in rows_of.items():
        path = tuple(int(index) + UNKNOWN for index in np.unravel_index(key, sizes))
        if UNKNOWN in path:
            leaves[plan.leaf_name(path)] = rows
    return leaves


def with_overall_name(values: tuple[LeafValue, ...]) -> tuple[LeafValue, ...]:
    """Returns what a file holds, with ALL as the name of all rows, whichever version wrote it."""
    if any(value.leaf == ALL for value in values):
        return values
    return tuple(replace(value, leaf=ALL) if value.leaf == OLD_ALL else value for value in values)


def mean(scores: tuple[Score, ...], metric: str) -> float | None:
    """Returns the mean over tasks of a metric on all rows; None if no task has it. Tasks without it are left out.

    Args:
        scores: of one run.
        metric: "mean_auc", "mean_gauc", "mean_ndcg", "log_loss" or "normalised_entropy".
    """
    name = metric.removeprefix("mean_")
    values = [getattr(score, name) for score in scores if score.leaf == ALL and getattr(score, name) is not None]
    return float(np.mean(values)) if values else None
