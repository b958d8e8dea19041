"""The encoders of single features, one for each kind: a column -> ids or values.

All are frozen dataclasses, whose fields are stored in a run's encoders.json. Axes: R rows, S slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.quantiles import Boundaries
from aesm_dsl.data.reading.hashing import Hashes, hash64, splitmix64
from aesm_dsl.data.reading.timestamps import PARTS, DateForm, as_timestamps, part_ids
from aesm_dsl.data.reading.values import Mask, Numbers, as_numbers, as_text
from aesm_dsl.plan.number_form import NumberForm
from aesm_dsl.plan.plan import MISSING, OTHER

MOST_DEVIATIONS = 10.0
"""A scaled number is at most this many standard deviations from the mean, so that one wild cell cannot dominate a
batch."""

Ids = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class CategoryEncoder:
    """Index in a vocabulary: 0 missing, 1 out of vocabulary (OOV), 2... the values, most frequent first."""

    name: str
    column: str
    values: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of the embedding table that the ids look up."""
        return len(self.values) + 2

    @property
    def slots(self) -> int:
        """Ids of each row."""
        return 1

    def ids(self, column: pl.Series) -> Ids:
        """Returns the ids of the cells: (R,), or (R, S) for encoders of several slots."""
        text = as_text(column)
        known = pl.Series(self.values, dtype=pl.String)
        indices = pl.Series(range(2, self.rows), dtype=pl.Int64)
        ids = text.replace_strict(known, indices, default=OTHER, return_dtype=pl.Int64).to_numpy()
        return np.where(text.is_null().to_numpy(), MISSING, ids)


@dataclass(frozen=True, slots=True)
class IdEncoder:
    """Hash bucket: 0 missing, 1...`buckets` the value's hash modulo `buckets`, plus 1."""

    name: str
    column: str
    buckets: int

    @property
    def rows(self) -> int:
        return self.buckets + 1

    @property
    def slots(self) -> int:
        return 1

    def ids(self, column: pl.Series) -> Ids:
        hashes, missing = hash64(column)
        return _bucketed(hashes, missing, self.buckets)


@dataclass(frozen=True, slots=True)
class NumberEncoder:
    """Quantile bucket: 0 missing, 1... the bucket. With few distinct values some of the planned `rows` stay unused."""

    name: str
    column: str
    rows: int
    boundaries: tuple[float, ...]
    """The boundaries with which numbers are compared as float32 (`Boundaries.narrow`)."""
    wide_boundaries: tuple[float, ...] = ()
    """Those with which they are compared as float64: all those of runs whose encoders have format 3."""
    form: NumberForm | None = None
    """How the numbers of a column of text are written; None if as in the language."""

    @property
    def slots(self) -> int:
        return 1

    def ids(self, column: pl.Series) -> Ids:
        values, _ = as_numbers(column, self.form)
        buckets = Boundaries(self.boundaries, self.wide_boundaries).bucket_of(values)
        return np.where(np.isnan(values), MISSING, buckets + 1)


@dataclass(frozen=True, slots=True)
class ValueEncoder:
    """The number itself, standardised and clipped to MOST_DEVIATIONS in both directions; NaN if missing."""

    name: str
    column: str
    scale: str
    """"standard"; "log", which standardises sign(x) log(1 + |x|); or "none", which takes the number as it is."""
    mean: float
    deviation: float
    form: NumberForm | None = None

    @property
    def rows(self) -> int:
        return 0

    @property
    def slots(self) -> int:
        return 0

    def values(self, column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Returns the scaled numbers, (R,)."""
        values = (rescale(as_numbers(column, self.form)[0], self.scale) - self.mean) / self.deviation
        if self.scale != "none":
            values = values.clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        with np.errstate(over="ignore"):
            small = values.astype(np.float32)
        # Numbers beyond float32 became infinite: they count as missing.
        return np.where(np.isfinite(small), small, np.float32(np.nan))


@dataclass(frozen=True, slots=True)
class PiecewiseEncoder:
    """The place of a number among bins: k at the lower edge of bin k, k + 1/2 in its middle; NaN if missing.

    Numbers below the first edge are at 0, those above the last one at the number of bins.
    """

    name: str
    column: str
    edges: tuple[float, ...]
    """The edges of the bins, ascending; one more than there are bins."""
    form: NumberForm | None = None

    @property
    def rows(self) -> int:
        return 0

    @property
    def slots(self) -> int:
        return 0

    def values(self, column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """Returns the places, (R,)."""
        values, places = rescale(as_numbers(column, self.form)[0], "none"), np.arange(len(self.edges))
        return np.interp(values, self.edges, places).astype(np.float32)


def rescale(values: Numbers, scale: str) -> Numbers:
    """Returns the numbers whose mean and deviation a `scale` uses: of "log" sign(x) log(1 + |x|); NaN if not finite."""
    values = np.where(np.isfinite(values), values, np.nan)
    return np.sign(values) * np.log1p(np.abs(values)) if scale == "log" else values


@dataclass(frozen=True, slots=True)
class DateEncoder:
    """A slot for each part of the date: 0 missing, 1... the part's values.

    All parts share one table: the ids of a part come after all ids of the part before.
    """

    name: str
    column: str
    parts: tuple[str, ...]
    zone: str
    format: str = ""
    """How dates are written as text, in the signs of `strptime`; empty for ISO text and numbers."""
    digits: bool = True
    """Whether numbers of eight digits can be dates; they were seconds to runs whose encoders have format 3."""

    @property
    def rows(self) -> int:
        return sum(PARTS[part] + 1 for part in self.parts)

    @property
    def slots(self) -> int:
        return len(self.parts)

    def ids(self, column: pl.Series) -> Ids:
        timestamps, _ = as_timestamps(column, DateForm(self.zone, self.format, self.digits))
        offset, columns = 0, []
        for part in self.parts:
            columns.append(part_ids(timestamps, part) + offset)
            offset += PARTS[part] + 1
        return np.stack(columns, axis=1)


SingleIdEncoder = CategoryEncoder | IdEncoder | NumberEncoder
"""The encoders that turn one value into one id."""


@dataclass(frozen=True, slots=True)
class SharedEncoder:
    """Encodes a column with another feature's encoder."""

    name: str
    column: str
    of: SingleIdEncoder

    @property
    def rows(self) -> int:
        return self.of.rows

    @property
    def slots(self) -> int:
        return 1

    def ids(self, column: pl.Series) -> Ids:
        return self.of.ids(column)


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """Hash bucket of the ids of several features.

    0 if one of them is missing, 1...`buckets` the hash of their ids modulo `buckets`, plus 1.
    """

    name: str
    crossed: tuple[str, ...]
    buckets: int

    @property
    def rows(self) -> int:
        return self.buckets + 1

    @property
    def slots(self) -> int:
        return 1

    def ids(self, parts: Sequence[np.ndarray[tuple[int, int], np.dtype[np.int32 | np.int64]]]) -> Ids:
        """Returns the ids of the cross, (R,).

        Args:
            parts: ids_RS of each of the features.
        """
        hashes = np.zeros(len(parts[0]), dtype=np.uint64)
        missing = np.zeros(len(parts[0]), dtype=np.bool_)
        for ids_RS in parts:
            # The first slot is enough: all slots of a date are missing together, and its first one is 0 then.
            missing |= ids_RS[:, 0] == MISSING
            for ids_R in ids_RS.T:
                hashes = splitmix64(hashes ^ ids_R.astype(np.uint64))
        return _bucketed(hashes, missing, self.buckets)


def _bucketed(hashes: Hashes, missing: Mask, buckets: int) -> Ids:
    """0 if missing, else the hash modulo `buckets`, plus 1."""
    return np.where(missing, MISSING, (hashes % np.uint64(buckets)).astype(np.int64) + 1)
