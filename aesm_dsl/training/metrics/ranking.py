"""Metrics of the order within a query: NDCG, MRR, hit rate and MAP, with their intervals over the queries.

Rows with equal scores have no order: each metric is its expected value over all their orders (McSherry and Najork,
"Computing information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008). A query
without a positive row has no metric, and does not count; one in which nothing can be ordered wrongly counts with 1.

Axes: R rows, C cells: the rows of one query with one score, Q queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from aesm_dsl.training.metrics.t_test import normal_quantile

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """The metrics of every query with a positive row, in the order of their numbers."""

    ndcg_Q: Floats
    """NDCG of the first `top` rows: sum of 1 / log2(1 + place) over the positive ones, over the greatest possible sum
    (Jarvelin and Kekalainen, 2002)."""
    mrr_Q: Floats
    """1 / place of the first positive row."""
    hit_Q: Floats
    """Whether the first `top` rows have a positive one."""
    map_Q: Floats
    """Average precision: mean over the positive rows of the share of positives down to their place."""


def query_metrics(
    query_R: npt.NDArray[np.int64], score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], top: int
) -> QueryMetrics:
    """Returns the metrics of every query, in O(R log R).

    Args:
        query_R: a number for each row's query.
        score_R: what rows are ordered by, the highest first.
        label_R: 1 for a positive row, 0 for the others.
        top: the first rows of a query that NDCG and the hit rate look at.
    """
    if not len(query_R):
        return QueryMetrics(*(np.zeros(0) for _ in range(4)))
    order_R = np.lexsort((-score_R, query_R))
    query_R, score_R, positive_R = query_R[order_R], score_R[order_R], label_R[order_R] == 1
    new_query_R = np.append(True, query_R[1:] != query_R[:-1])
    cell_start_C = np.flatnonzero(new_query_R | np.append(True, score_R[1:] != score_R[:-1]))
    query_start_Q = np.flatnonzero(new_query_R)
    query_C = np.searchsorted(query_start_Q, cell_start_C, "right") - 1
    cells = _Cells(
        query_C,
        cell_start_C - query_start_Q[query_C],
        np.diff(np.append(cell_start_C, len(query_R))),
        np.add.reduceat(positive_R.astype(np.int64), cell_start_C),
    )
    positives_Q = np.bincount(query_C, cells.positives_C, len(query_start_Q)).astype(np.int64)
    counts_Q = positives_Q > 0
    of_queries = (
        cells.dcg(top) / _best_dcg(positives_Q, top),
        cells.mrr(),
        cells.hit(top),
        cells.precision(positives_Q),
    )
    return QueryMetrics(*(value_Q[counts_Q] for value_Q in of_queries))


def mean_interval(value_Q: Floats) -> tuple[float | None, float | None, float | None]:
    """Returns the mean over queries and its 95 % interval within [0, 1], by how the queries differ.

    The mean is None without queries; the interval is None if there is one query, or if they do not differ.
    """
    if not len(value_Q):
        return None, None, None
    mean = float(value_Q.mean())
    spread = float(value_Q.std(ddof=1)) if len(value_Q) > 1 else 0.0
    if not spread:
        return mean, None, None
    off = normal_quantile() * spread / len(value_Q) ** 0.5
    return mean, max(0.0, mean - off), min(1.0, mean + off)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells, query after query, in each query from the highest score to the lowest."""

    query_C: Whole
    before_C: Whole
    """Rows of the query above the cell."""
    rows_C: Whole
    positives_C: Whole

    @property
    def queries(self) -> int:
        return int(self.query_C[-1]) + 1

    def dcg(self, top: int) -> Floats:
        """Each of a cell's rows is positive with the same probability."""
        up_to = _discounts_up_to(top)
        first_C, last_C = np.minimum(self.before_C, top), np.minimum(self.before_C + self.rows_C, top)
        gain_C = self.positives_C / self.rows_C * (up_to[last_C] - up_to[first_C])
        return _summed(self.query_C, gain_C, self.queries)

    def mrr(self) -> Floats:
        """The first positive row is the j-th of its cell with probability C(n - j, p - 1) / C(n, p)."""
        first_C = self._first_C()
        rows, positives = self.rows_C[first_C], self.positives_C[first_C]
        # One entry for every place in these cells at which the first positive row can be.
        places = rows - positives + 1
        cell_P = np.repeat(np.arange(len(first_C)), places)
        place_P = np.arange(len(cell_P)) - np.repeat(np.cumsum(places) - places, places) + 1
        n_P, p_P = rows[cell_P], positives[cell_P]
        chance_P = np.exp(_log_choices(n_P - place_P, p_P - 1) - _log_choices(n_P, p_P))
        reciprocal_P = chance_P / (self.before_C[first_C][cell_P] + place_P)
        return _summed(self.query_C[first_C][cell_P], reciprocal_P, self.queries)

    def hit(self, top: int) -> Floats:
        """Of the first cell with positives t rows are among the first; none is positive with C(n - p, t) / C(n, t)."""
        first_C = self._first_C()
        rows, positives = self.rows_C[first_C], self.positives_C[first_C]
        taken = np.clip(top - self.before_C[first_C], 0, rows)
        sure = taken > rows - positives
        open_rows = np.where(sure, rows, rows - positives)
        missed = np.where(sure, 0.0, np.exp(_log_choices(open_rows, taken) - _log_choices(rows, taken)))
        return _summed(self.query_C[first_C], 1 - missed, self.queries)

    def precision(self, positives_Q: Whole) -> Floats:
        """The i-th row of a cell is positive with p / n, and then (i - 1) (p - 1) / (n - 1) of those above it are."""
        cell_R = np.repeat(np.arange(len(self.rows_C)), self.rows_C)
        place_R = np.arange(len(cell_R)) - np.repeat(np.cumsum(self.rows_C) - self.rows_C, self.rows_C)
        rows_R, positives_R = self.rows_C[cell_R], self.positives_C[cell_R]
        others_R = place_R * (positives_R - 1) / np.maximum(rows_R - 1, 1)
        share_R = (self._above_C()[cell_R] + 1 + others_R) / (self.before_C[cell_R] + place_R + 1)
        return _summed(self.query_C[cell_R], positives_R / rows_R * share_R, self.queries) / np.maximum(positives_Q, 1)

    def _first_C(self) -> Whole:
        """The places of the cells that hold a query's first positive row."""
        return np.flatnonzero((self._above_C() == 0) & (self.positives_C > 0))

    def _above_C(self) -> Whole:
        """Positive rows of the query above the cell."""
        total_C = np.cumsum(self.positives_C) - self.positives_C
        first_C = np.searchsorted(self.query_C, self.query_C)
        return np.asarray(total_C - total_C[first_C], np.int64)


def _summed(query_R: Whole, value_R: Floats, queries: int) -> Floats:
    """The sum of each query's values."""
    return np.bincount(query_R, value_R, queries).astype(np.float64)


def _best_dcg(positives_Q: Whole, top: int) -> Floats:
    return np.asarray(_discounts_up_to(top)[np.clip(positives_Q, 1, top)], np.float64)


def _discounts_up_to(top: int) -> Floats:
    """The sum of 1 / log2(1 + place) over the first 0, 1, ..., `top` places."""
    return np.append(0.0, np.cumsum(1 / np.log2(np.arange(2, top + 2))))


def _log_choices(n: Whole, k: Whole) -> Floats:
    """Log of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0), np.float64)
