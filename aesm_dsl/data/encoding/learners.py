"""Learners: what the encoder of one feature needs to know about its column, learnt from parts of it.

Every value of a part comes with a number of its own. `settle` is called at rows that do not depend on how the rows are
chunked: only then may a learner round or forget.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.feature_encoders import rescale
from aesm_dsl.data.encoding.quantiles import Boundaries, bin_edges, cut_counts, quantile_boundaries
from aesm_dsl.data.reading.hashing import Hashes, splitmix64
from aesm_dsl.data.reading.values import Numbers, as_numbers, as_text
from aesm_dsl.plan.number_form import NumberForm

SAMPLE = 1_000_000
"""Numbers of a column that its quantiles are computed from: all of them up to this many, else a random sample."""


class VocabularyCounts:
    """Counts how often each value of a column occurs, as text: exactly up to `most` different values.

    With more values, the rarer half is forgotten when settling, so a value may be counted too low.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.counted = pl.DataFrame(schema={"value": pl.String, "rows": pl.Int64})
        self._parts: list[pl.DataFrame] = []

    @property
    def has_learnt(self) -> bool:
        """Whether it has got any value so far."""
        return self.counted.height > 0

    def learn(self, column: pl.Series, number_R: Hashes) -> None:
        """Takes the values of the next part, and the number of each."""
        values = pl.DataFrame({"value": as_text(column)}).drop_nulls()
        self._parts.append(values.group_by("value").agg(pl.len().cast(pl.Int64).alias("rows")))

    def add(self, counted: pl.DataFrame) -> None:
        """Takes counts from elsewhere: the columns `value`, as text, and `count`."""
        self._parts.append(counted.select("value", pl.col("count").alias("rows")).drop_nulls())

    def settle(self) -> None:
        """Puts the parts so far together."""
        if self._parts:
            together = pl.concat([self.counted, *self._parts])
            self.counted = together.group_by("value").agg(pl.col("rows").sum())
            self._parts.clear()
        if self.counted.height > self.most:
            self.counted = self.ranked().head(self.most // 2)

    def merge(self, other: Learner) -> None:
        """Adds what another learner has learnt, after both have settled."""
        assert isinstance(other, VocabularyCounts)
        self._parts.append(other.counted)

    def ranked(self) -> pl.DataFrame:
        """Returns the values, most frequent first, ties in the order of their characters."""
        return self.counted.sort("rows", "value", descending=[True, False])


class NumberSample:
    """Samples SAMPLE finite numbers of a column: those whose row numbers have the smallest hashes."""

    def __init__(self, form: NumberForm | None = None) -> None:
        self._form = form
        self._keys: Hashes = np.empty(0, dtype=np.uint64)
        self._values: Numbers = np.empty(0, dtype=np.float64)
        self._parts: list[tuple[Hashes, Numbers]] = []

    def boundaries(self, buckets: int) -> Boundaries:
        """Returns the boundaries of quantile buckets."""
        return quantile_boundaries(self._values, buckets)

    def edges(self, bins: int) -> tuple[float, ...]:
        """Returns the edges of bins for piecewise linear encoding."""
        return bin_edges(*np.unique(self._values, return_counts=True), bins)

    def learn(self, column: pl.Series, number_R: Hashes) -> None:
        values, _ = as_numbers(column, self._form)
        keys = splitmix64(number_R)
        chosen = np.isfinite(values)
        if len(self._keys) == SAMPLE:
            chosen &= keys < self._keys.max()
        self._parts.append((keys[chosen], values[chosen]))

    def settle(self) -> None:
        if not self._parts:
            return
        self._keys = np.concatenate([self._keys, *(keys for keys, _ in self._parts)])
        self._values = np.concatenate([self._values, *(values for _, values in self._parts)])
        self._parts.clear()
        if len(self._keys) > SAMPLE:
            smallest = np.argpartition(self._keys, SAMPLE - 1)[:SAMPLE]
            self._keys, self._values = self._keys[smallest], self._values[smallest]

    def merge(self, other: Learner) -> None:
        assert isinstance(other, NumberSample)
        self._parts.append((other._keys, other._values))


class NumberHistogram:
    """How often numbers occur, as counted elsewhere.

    Up to SAMPLE different numbers are kept as they are; beyond that, every two neighbours are merged into the larger
    one.
    """

    def __init__(self) -> None:
        self._values: Numbers = np.empty(0, dtype=np.float64)
        self._rows = np.empty(0, dtype=np.int64)
        self._parts: list[pl.DataFrame] = []

    @property
    def has_learnt(self) -> bool:
        """Whether it has got any value so far."""
        return len(self._values) > 0

    def boundaries(self, buckets: int) -> Boundaries:
        """Returns the boundaries of quantile buckets."""
        return cut_counts(self._values, self._rows, buckets)

    def edges(self, bins: int) -> tuple[float, ...]:
        """Returns the edges of bins for piecewise linear encoding."""
        return bin_edges(self._values, self._rows, bins)

    def add(self, counted: pl.DataFrame) -> None:
        """Takes counts from elsewhere: the columns `value` and `count`."""
        self._parts.append(counted.filter(pl.col("value").is_finite()))

    def settle(self) -> None:
        values = np.concatenate([self._values, *(part["value"].to_numpy() for part in self._parts)])
        rows = np.concatenate([self._rows, *(part["count"].to_numpy() for part in self._parts)])
        self._parts.clear()
        self._values, index = np.unique(values, return_inverse=True)
        self._rows = np.zeros(len(self._values), dtype=np.int64)
        np.add.at(self._rows, index, rows)
        while len(self._values) > SAMPLE:
            first = np.arange(0, len(self._values), 2)
            self._values = self._values[np.minimum(first + 1, len(self._values) - 1)]
            self._rows = np.add.reduceat(self._rows, first)


class MeanAndDeviation:
    """Mean and standard deviation of a column's finite numbers, after `rescale`.

    Parts are combined by the formula of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for
    computing sample variances", 1979).
    """

    def __init__(self, scale: str, form: NumberForm | None = None) -> None:
        self.scale, self._form = scale, form
        # The number of numbers, their mean, and the sum of their squared differences from it.
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self._parts: list[Numbers] = []

    @property
    def has_learnt(self) -> bool:
        """Whether it has got any value so far."""
        return self.count > 0

    @property
    def deviation(self) -> float:
        """The standard deviation; 1 if all numbers are the same or there are none, so that it can be divided by."""
        return (self.squares / self.count) ** 0.5 or 1.0 if self.count else 1.0

    def learn(self, column: pl.Series, number_R: Hashes) -> None:
        values = rescale(as_numbers(column, self._form)[0], self.scale)
        self._parts.append(values[~np.isnan(values)])

    def add(self, counted: pl.DataFrame) -> None:
        """Takes statistics from elsewhere: the columns `count`, `mean` and `deviation`."""
        for count, mean, deviation in counted.select("count", "mean", "deviation").iter_rows():
            self._add(count, mean, deviation**2 * count)

    def settle(self) -> None:
        if self._parts:
            values = np.concatenate(self._parts)
            self._parts.clear()
            if len(values):
                mean = float(values.mean())
                with np.errstate(over="ignore"):
                    self._add(len(values), mean, float(((values - mean) ** 2).sum()))

    def merge(self, other: Learner) -> None:
        assert isinstance(other, MeanAndDeviation)
        if other.count:
            self._add(other.count, other.mean, other.squares)

    def _add(self, count: int, mean: float, squares: float) -> None:
        total, gap = self.count + count, mean - self.mean
        self.squares += squares + gap * gap * self.count * count / total
        self.mean += gap * count / total
        self.count = total


Learner = VocabularyCounts | NumberSample | MeanAndDeviation
