"""`EncoderFitting`: training rows, chunk by chunk -> `Encoders`. Memory follows the vocabularies, not the rows.

The result does not depend on how the rows are chunked: counts are whole numbers, a sample is drawn by the row numbers,
and rounding or forgetting happens after every BLOCK rows, wherever a chunk ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.encoders import Encoder, Encoders
from aesm_dsl.data.encoding.feature_encoders import (
    CategoryEncoder,
    CrossEncoder,
    DateEncoder,
    IdEncoder,
    NumberEncoder,
    PiecewiseEncoder,
    SharedEncoder,
    SingleIdEncoder,
    ValueEncoder,
)
from aesm_dsl.data.encoding.learners import Learner, MeanAndDeviation, NumberHistogram, NumberSample, VocabularyCounts
from aesm_dsl.data.encoding.list_encoders import ElapsedEncoder, ListEncoder, StepsEncoder
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows
from aesm_dsl.data.reading.hashing import Hashes
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.pools import PoolPlan, pools_of

BLOCK = 2**18
"""Rows after which the learners settle."""
VOCABULARY = 2_000_000
"""Different values of a column that are counted exactly, or four times the feature's `limit` if that is more."""


class EncoderFitting:
    """Learns the encoders of all features from the training rows."""

    def __init__(self, plan: Plan, first_row: int = 0) -> None:
        """Starts without any rows.

        Args:
            plan: names the features.
            first_row: the number of the first row among all training rows. Parts of the rows can be read by several
                fittings and merged; if each part starts at a multiple of BLOCK, the result is that of one fitting.
        """
        self._features = plan.all_features
        self._learners = [new_learner(feature) for feature in self._features]
        self._row = first_row

    def update(self, frame: pl.DataFrame) -> None:
        """Learns from the next rows: training rows only, with all feature columns."""
        start = 0
        while start < frame.height:
            part = frame[start : start + BLOCK - self._row % BLOCK]
            for feature, learner in zip(self._features, self._learners, strict=True):
                if learner is not None:
                    learner.learn(*_numbered_values(part[feature.column], feature, self._row))
            start, self._row = start + part.height, self._row + part.height
            if self._row % BLOCK == 0:
                self._settle()

    def merge(self, other: EncoderFitting) -> None:
        """Adds what another fitting of the same plan has learnt from the rows after these."""
        for fitting in (self, other):
            fitting._settle()
        for mine, others in zip(self._learners, other._learners, strict=True):
            if mine is not None and others is not None:
                mine.merge(others)
        self._row = other._row

    def finish(self) -> Encoders:
        """Returns the encoders that the rows so far teach."""
        self._settle()
        return make_encoders(self._features, self._learners)

    def _settle(self) -> None:
        for learner in self._learners:
            if learner is not None:
                learner.settle()


class FittingPass:
    """A `TableCheck` that fits encoders in the pass over the rows that checks them, and reports nothing."""

    parts = TRAINING

    def __init__(self, fitting: EncoderFitting) -> None:
        self._fitting = fitting

    def update(self, chunk: CheckedRows) -> None:
        self._fitting.update(chunk.rows.frame)

    def report(self, findings: Findings) -> None:
        """Adds nothing."""


def make_encoders(features: Sequence[FeaturePlan], learners: Sequence[Learner | NumberHistogram | None]) -> Encoders:
    """Returns the encoders of the features from what their learners have learnt."""
    encoders: dict[str, Encoder] = {}
    steps = {member.name: pool for pool in pools_of(features) for member in pool.members}
    pairs = list(zip(features, learners, strict=True))
    # Features that use another's encoder come last, wherever they stand.
    for feature, learner in sorted(pairs, key=lambda pair: bool(pair[0].table)):
        encoders[feature.name] = _encoder(feature, learner, encoders, steps.get(feature.name))
    return Encoders(tuple(encoders[feature.name] for feature in features))


def _numbered_values(column: pl.Series, feature: FeaturePlan, row: int) -> tuple[pl.Series, Hashes]:
    """The values that a learner gets, and a number for each that is the same however rows are chunked."""
    number_R = np.arange(row, row + len(column), dtype=np.uint64)
    if not feature.take:
        return column, number_R
    values, row_I = flatten(column, feature.separator)
    place_I = np.arange(len(row_I)) - np.searchsorted(row_I, row_I)
    # The number of the row in the low 44 bits, the value's place in its list above them.
    return values, number_R[row_I] + (place_I.astype(np.uint64) << np.uint64(44))


def new_learner(feature: FeaturePlan) -> Learner | None:
    """Returns the learner of a feature's encoder; None if there is nothing to learn."""
    if feature.table:
        return None
    match feature.kind:
        case "category":
            return VocabularyCounts(max(VOCABULARY, 4 * feature.rows))
        case "number":
            return NumberSample(feature.form)
        case "value" if feature.scale == "piecewise":
            return NumberSample(feature.form)
        case "value" if feature.scale != "none":
            return MeanAndDeviation(feature.scale, feature.form)
        case "id" | "date" | "value" | "cross" | "vectors" | "elapsed":
            return None
        case kind:
            raise ValueError(f"feature `{feature.name}` has the unknown kind {kind!r}")


def _encoder(
    feature: FeaturePlan,
    learner: Learner | NumberHistogram | None,
    known: dict[str, Encoder],
    pool: PoolPlan | None,
) -> Encoder:
    """The feature's encoder; `known` has the encoders of all features that others share."""
    if pool is not None and (len(pool.members) > 1 or feature.kind == "elapsed"):
        return _steps_encoder(feature, learner, known, pool)
    encoder = known[feature.table] if feature.table else _own_encoder(feature, learner)
    if feature.take:
        assert isinstance(encoder, SingleIdEncoder)
        last = feature.take == "last"
        return ListEncoder(feature.name, feature.column, encoder, feature.slots, last, feature.separator)
    if feature.table:
        assert isinstance(encoder, SingleIdEncoder)
        return SharedEncoder(feature.name, feature.column, encoder)
    return encoder


def _steps_encoder(
    feature: FeaturePlan, learner: Learner | NumberHistogram | None, known: dict[str, Encoder], pool: PoolPlan
) -> StepsEncoder:
    name, column = feature.name, feature.column
    of: Encoder | ElapsedEncoder
    if feature.kind == "elapsed":
        of = ElapsedEncoder(name, column, feature.until, feature.format)
    else:
        of = known[feature.table] if feature.table else _own_encoder(feature, learner)
    assert isinstance(of, SingleIdEncoder | ElapsedEncoder)
    return StepsEncoder(name, column, of, feature.slots, feature.separator, pool.names)


def _own_encoder(feature: FeaturePlan, learner: Learner | NumberHistogram | None) -> Encoder:
    """The encoder of a feature that has an embedding table of its own, or of the values of its lists."""
    name, column = feature.name, feature.column
    match learner:
        case VocabularyCounts():
            frequent = learner.ranked().filter(pl.col("rows") >= feature.min_count)
            return CategoryEncoder(name, column, tuple(frequent["value"].head(max(feature.rows - 2, 0)).to_list()))
        case NumberSample() | NumberHistogram() if feature.encoding is not None:
            return PiecewiseEncoder(name, column, learner.edges(feature.encoding.size), feature.form)
        case NumberSample() | NumberHistogram():
            edges = learner.boundaries(feature.rows - 1)
            return NumberEncoder(name, column, feature.rows, edges.narrow, edges.wide, feature.form)
        case MeanAndDeviation():
            return ValueEncoder(name, column, feature.scale, learner.mean, learner.deviation, feature.form)
    if feature.kind == "id":
        return IdEncoder(name, column, feature.rows - 1)
    if feature.kind == "vectors":
        return CategoryEncoder(name, column, ())  # its keys are added by `Encoders.with_keys`
    if feature.kind == "cross":
        return CrossEncoder(name, feature.crossed, feature.rows - 1)
    if feature.parts:
        return DateEncoder(name, column, feature.parts, feature.zone, feature.format)
    return ValueEncoder(name, column, "none", 0.0, 1.0, feature.form)
