"""`Fitting`: training rows, chunk by chunk -> `Encoders`. Memory follows the vocabularies, not the rows.

What is learnt does not depend on how the rows are cut into chunks: counts are whole numbers, a sample is drawn by the
rows' numbers, and whatever is rounded or forgotten is so at every BLOCK-th row, wherever a chunk ends.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.encode import Category, Encoder, Encoders, Id, Number
from aesm_dsl.data.hashing import Hashes, mix
from aesm_dsl.data.quantile import boundaries
from aesm_dsl.data.value import as_numbers, as_text
from aesm_dsl.plan import FeaturePlan, Plan

BLOCK = 2**18
"""Rows after which learners settle."""
SAMPLE = 1_000_000
"""Numbers of a column that its quantiles are taken from: all of them up to so many, else a random sample."""
VOCABULARY = 2_000_000
"""Different values of a column that are counted exactly, or four times the feature's `limit` where that is more. Beyond
that the rarer half is forgotten at the end of a block, so that a value may be counted too low."""


class Fitting:
    """Encoders in the making.

    first_row  the number of the first row among all training rows. Parts of the rows can be read by several fittings
               and merged; with each part's first row given (a multiple of BLOCK) the result is that of one fitting
    """

    def __init__(self, plan: Plan, first_row: int = 0) -> None:
        self._features = plan.features
        self._learners = [_learner(feature) for feature in plan.features]
        self._row = first_row

    def update(self, frame: pl.DataFrame) -> None:
        """Learns from the next rows: training rows only, with all feature columns."""
        start = 0
        while start < frame.height:
            part = frame[start : start + BLOCK - self._row % BLOCK]
            for feature, learner in zip(self._features, self._learners, strict=True):
                if learner is not None:
                    learner.learn(part[feature.column], self._row)
            start, self._row = start + part.height, self._row + part.height
            if self._row % BLOCK == 0:
                self._settle()

    def merge(self, other: Fitting) -> None:
        """Adds what another fitting of the same plan has learnt from rows behind these."""
        for fitting in (self, other):
            fitting._settle()
        for mine, others in zip(self._learners, other._learners, strict=True):
            if mine is not None and others is not None:
                mine.merge(others)
        self._row = other._row

    def finish(self) -> Encoders:
        """The encoders that the rows so far teach."""
        self._settle()
        return Encoders(
            tuple(_encoder(feature, one) for feature, one in zip(self._features, self._learners, strict=True))
        )

    def _settle(self) -> None:
        for learner in self._learners:
            if learner is not None:
                learner.settle()


def fit_encoders(plan: Plan, frame: pl.DataFrame) -> Encoders:
    """Encoders learnt from training rows that are in memory as a whole."""
    fitting = Fitting(plan)
    fitting.update(frame)
    return fitting.finish()


class Counts:
    """How often each value of a column occurs, as text."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.counted = pl.DataFrame(schema={"value": pl.String, "rows": pl.Int64})
        self._parts: list[pl.DataFrame] = []

    def learn(self, column: pl.Series, row: int) -> None:
        values = pl.DataFrame({"value": as_text(column)}).drop_nulls()
        self._parts.append(values.group_by("value").agg(pl.len().cast(pl.Int64).alias("rows")))

    def settle(self) -> None:
        if self._parts:
            together = pl.concat([self.counted, *self._parts])
            self.counted = together.group_by("value").agg(pl.col("rows").sum())
            self._parts.clear()
        if self.counted.height > self.most:
            self.counted = self.ranked().head(self.most // 2)

    def merge(self, other: Learner) -> None:
        assert isinstance(other, Counts)
        self._parts.append(other.counted)

    def ranked(self) -> pl.DataFrame:
        """Most frequent first, ties in the order of their characters."""
        return self.counted.sort("rows", "value", descending=[True, False])


class Sample:
    """The finite numbers of a column: those of the SAMPLE rows whose numbers have the smallest hashes."""

    def __init__(self) -> None:
        self._keys: Hashes = np.empty(0, dtype=np.uint64)
        self._values = np.empty(0, dtype=np.float64)
        self._parts: list[tuple[Hashes, np.ndarray[tuple[int], np.dtype[np.float64]]]] = []

    @property
    def values(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return self._values

    def learn(self, column: pl.Series, row: int) -> None:
        values, _ = as_numbers(column)
        keys = mix(np.arange(row, row + len(values), dtype=np.uint64))
        kept = np.isfinite(values)
        if len(self._keys) == SAMPLE:
            kept &= keys < self._keys.max()
        self._parts.append((keys[kept], values[kept]))

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
        assert isinstance(other, Sample)
        self._parts.append((other._keys, other._values))


Learner = Counts | Sample


def _learner(feature: FeaturePlan) -> Learner | None:
    """What learns the feature's encoder; None where there is nothing to learn."""
    match feature.kind:
        case "category":
            return Counts(max(VOCABULARY, 4 * feature.rows))
        case "number":
            return Sample()
        case "id":
            return None
        case kind:
            raise ValueError(f"feature `{feature.name}` has the unknown kind {kind!r}")


def _encoder(feature: FeaturePlan, learner: Learner | None) -> Encoder:
    match learner:
        case Counts():
            often = learner.ranked().filter(pl.col("rows") >= feature.min_count)
            return Category(
                feature.name, feature.column, tuple(often["value"].head(max(feature.rows - 2, 0)).to_list())
            )
        case Sample():
            edges = boundaries(learner.values, feature.rows - 1)
            return Number(feature.name, feature.column, feature.rows, edges)
        case None:
            return Id(feature.name, feature.column, feature.rows - 1)
