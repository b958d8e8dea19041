"""Quantile buckets: boundaries that spread the training rows evenly, however many of them are tied."""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.reading.values import Numbers


def quantile_boundaries(values: Numbers, buckets: int) -> tuple[float, ...]:
    """Returns at most `buckets` - 1 distinct boundaries, ascending; bucket k holds boundary[k-1] < x <= boundary[k].

    Every boundary is a value of the column. If there are no more distinct values than buckets, each has its own bucket.
    Otherwise buckets are filled in ascending order, each with an equal part of the rows that are left: a value that
    alone has more rows than that takes a bucket for itself, and the rest is spread over the other buckets (plain
    quantiles would waste every boundary that falls on such a value). NaN and infinities are left out.
    """
    return cut_counts(*np.unique(values[np.isfinite(values)], return_counts=True), buckets)


def cut_counts(
    distinct: Numbers, counts: np.ndarray[tuple[int], np.dtype[np.int64]], buckets: int
) -> tuple[float, ...]:
    """Returns `quantile_boundaries` of ascending distinct values and the number of rows of each."""
    below = np.cumsum(counts)
    ends: list[int] = []
    start = done = 0
    for left in range(buckets, 1, -1):
        if len(distinct) - start <= left:
            ends.extend(range(start, len(distinct) - 1))
            break
        aim = done + (below[-1] - done) / left
        end = int(np.searchsorted(below, aim))
        if end > start and aim - below[end - 1] < below[end] - aim:
            end -= 1
        if end >= len(distinct) - 1:
            break
        ends.append(end)
        start, done = end + 1, int(below[end])
    return tuple(float(value) for value in distinct[ends]) if ends else ()


def bucket_of(values: Numbers, edges: tuple[float, ...]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns each value's bucket, from 0; infinities fall into the end buckets. The bucket of NaN means nothing."""
    return np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="left").astype(np.int64)
