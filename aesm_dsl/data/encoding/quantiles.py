"""Quantile buckets: boundaries that spread the training rows evenly, however many of them are tied.

A boundary lies between two values of the column, never on one. Where float32 can tell the two values apart, it is a
float32, and numbers are compared with it as float32. So a number has one bucket as float64, as float32 and as decimal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.data.reading.values import Numbers


@dataclass(frozen=True, slots=True)
class Boundaries:
    """The boundaries of buckets, ascending. A number's bucket, from 0, is the number of boundaries below it."""

    narrow: tuple[float, ...] = ()
    """Those with which numbers are compared as float32."""
    wide: tuple[float, ...] = ()
    """Those with which they are compared as float64, since float32 cannot tell the values on both sides apart."""

    @property
    def all(self) -> tuple[float, ...]:
        """All of them, ascending."""
        return tuple(sorted((*self.narrow, *self.wide)))

    def bucket_of(self, values: Numbers) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Returns each value's bucket; infinities fall into the end buckets. The bucket of NaN means nothing.

        The order of the buckets is that of the numbers: values on both sides of a wide boundary are on the same side of
        every narrow one.
        """
        narrow = np.searchsorted(np.asarray(self.narrow, dtype=np.float64), _narrowed(values), side="left")
        wide = np.searchsorted(np.asarray(self.wide, dtype=np.float64), values, side="left")
        return (narrow + wide).astype(np.int64)


def quantile_boundaries(values: Numbers, buckets: int) -> Boundaries:
    """Returns at most `buckets` - 1 distinct boundaries, ascending; bucket k holds boundary[k-1] < x <= boundary[k].

    Every boundary lies halfway between two neighbouring values of the column. If there are no more distinct values than
    buckets, each has its own bucket. Otherwise buckets are filled in ascending order, each with an equal part of the
    rows that are left: a value that alone has more rows than that takes a bucket for itself, and the rest is spread
    over the other buckets (plain quantiles would waste every boundary that falls on such a value). NaN and infinities
    are left out.
    """
    return cut_counts(*np.unique(values[np.isfinite(values)], return_counts=True), buckets)


def cut_counts(distinct: Numbers, counts: np.ndarray[tuple[int], np.dtype[np.int64]], buckets: int) -> Boundaries:
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
    return _boundaries([(float(distinct[end]), float(distinct[end + 1])) for end in ends])


def bin_edges(distinct: Numbers, counts: np.ndarray[tuple[int], np.dtype[np.int64]], bins: int) -> tuple[float, ...]:
    """Returns the distinct ones of `bins` + 1 quantiles, ascending: from the least value to the greatest.

    There are at least two edges, also if all values are the same, or there are none.

    Args:
        distinct: ascending distinct values.
        counts: the number of rows of each.
        bins: the most bins.
    """
    if not len(distinct):
        return 0.0, 1.0
    below = np.cumsum(counts)
    ranks = np.linspace(0, int(below[-1]) - 1, bins + 1).round()
    edges = np.unique(distinct[np.searchsorted(below, ranks, side="right")]).tolist()
    if len(edges) > 1:
        return tuple(edges)
    only, above = edges[0], edges[0] + max(1.0, abs(edges[0]))
    return (only, above) if np.isfinite(above) else (only / 2, only)


def _boundaries(neighbours: list[tuple[float, float]]) -> Boundaries:
    """A boundary from the smaller of two neighbours on and below the larger: halfway, as float32 if that is between."""
    narrow, wide = [], []
    for low, high in neighbours:
        narrow_low, narrow_high = _narrowed(np.array([low, high])).tolist()
        halfway = float(_narrowed(np.array([low / 2 + high / 2]))[0])
        if narrow_low < halfway < narrow_high and np.isfinite(halfway):
            narrow.append(halfway)
            continue
        if narrow_low < narrow_high:  # no float32 lies between them: what lies between all forms of both
            low, high = max(low, narrow_low), min(high, narrow_high)
        halfway = low / 2 + high / 2
        wide.append(halfway if low < halfway < high else low)
    return Boundaries(tuple(narrow), tuple(wide))


def _narrowed(values: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)
