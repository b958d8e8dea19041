"""The encoders of single features, one for each kind: a column -> ids or values. Axes: R rows, S slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.quantiles import bucket_of
from aesm_dsl.data.reading.hashing import Hashes, hash64, splitmix64
from aesm_dsl.data.reading.lists import fill_slots, flatten
from aesm_dsl.data.reading.timestamps import PARTS, as_timestamps, part_ids
from aesm_dsl.data.reading.values import Mask, Numbers, as_numbers, as_text
from aesm_dsl.plan.plan import MISSING, OTHER

MOST_DEVIATIONS = 10.0
"""Further from the mean than so many deviations no scaled number goes: one wild cell must not drown a batch."""

Ids = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class CategoryEncoder:
    """0 missing, 1 outside the vocabulary, 2... its values, most frequent first."""

    name: str
    column: str
    values: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.values) + 2

    @property
    def slots(self) -> int:
        return 1

    def ids(self, column: pl.Series) -> Ids:
        text = as_text(column)
        known = pl.Series(self.values, dtype=pl.String)
        places = pl.Series(range(2, self.rows), dtype=pl.Int64)
        ids = text.replace_strict(known, places, default=OTHER, return_dtype=pl.Int64).to_numpy()
        return np.where(text.is_null().to_numpy(), MISSING, ids)


@dataclass(frozen=True, slots=True)
class IdEncoder:
    """0 missing, 1...`buckets` the value's hash modulo `buckets`, plus 1."""

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
    """0 missing, 1... the quantile bucket. `rows` is as planned; few distinct values leave some unused."""

    name: str
    column: str
    rows: int
    boundaries: tuple[float, ...]

    @property
    def slots(self) -> int:
        return 1

    def ids(self, column: pl.Series) -> Ids:
        values, _ = as_numbers(column)
        return np.where(np.isnan(values), MISSING, bucket_of(values, self.boundaries) + 1)


@dataclass(frozen=True, slots=True)
class ValueEncoder:
    """The number itself: less the mean, in deviations, at most MOST_DEVIATIONS either way; NaN where missing.

    scale  "standard"; "log", of sign(x) log(1 + |x|); or "none": as it is
    """

    name: str
    column: str
    scale: str
    mean: float
    deviation: float

    @property
    def rows(self) -> int:
        return 0

    @property
    def slots(self) -> int:
        return 0

    def values(self, column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        values = (rescale(as_numbers(column)[0], self.scale) - self.mean) / self.deviation
        if self.scale != "none":
            values = values.clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        with np.errstate(over="ignore"):
            small = values.astype(np.float32)
        return np.where(np.isfinite(small), small, np.float32(np.nan))


def rescale(values: Numbers, scale: str) -> Numbers:
    """The numbers as their mean and deviation are taken of them; NaN where they are not finite."""
    values = np.where(np.isfinite(values), values, np.nan)
    return np.sign(values) * np.log1p(np.abs(values)) if scale == "log" else values


@dataclass(frozen=True, slots=True)
class DateEncoder:
    """A slot for each part, its ids below those of the part before: 0 missing, 1... the part's values."""

    name: str
    column: str
    parts: tuple[str, ...]
    zone: str

    @property
    def rows(self) -> int:
        return sum(PARTS[part] + 1 for part in self.parts)

    @property
    def slots(self) -> int:
        return len(self.parts)

    def ids(self, column: pl.Series) -> Ids:
        moments, _ = as_timestamps(column, self.zone)
        above, columns = 0, []
        for part in self.parts:
            columns.append(part_ids(moments, part) + above)
            above += PARTS[part] + 1
        return np.stack(columns, axis=1)


SingleIdEncoder = CategoryEncoder | IdEncoder | NumberEncoder
"""What makes one id of one value."""


@dataclass(frozen=True, slots=True)
class SharedEncoder:
    """What another feature's encoder makes of this column."""

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
class ListEncoder:
    """The ids of a list's values, missing ones left out: the first ones, or the last ones from the newest on."""

    name: str
    column: str
    of: SingleIdEncoder
    slots: int
    last: bool
    separator: str

    @property
    def rows(self) -> int:
        return self.of.rows

    def ids(self, column: pl.Series) -> Ids:
        values, row_I = flatten(column, self.separator)
        ids_I = self.of.ids(values)
        there = ids_I != MISSING
        return fill_slots(ids_I[there], row_I[there], len(column), self.slots, self.last)


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """0 where one of the features is missing, 1...`buckets` the hash of their ids modulo `buckets`, plus 1."""

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
        """parts  ids_RS of each of the features. All slots of a date are missing together, its first one is 0 then."""
        hashes = np.zeros(len(parts[0]), dtype=np.uint64)
        missing = np.zeros(len(parts[0]), dtype=np.bool_)
        for ids_RS in parts:
            missing |= ids_RS[:, 0] == MISSING
            for ids_R in ids_RS.T:
                hashes = splitmix64(hashes ^ ids_R.astype(np.uint64))
        return _bucketed(hashes, missing, self.buckets)


def _bucketed(hashes: Hashes, missing: Mask, buckets: int) -> Ids:
    """0 where missing, else the hash modulo `buckets`, plus 1."""
    return np.where(missing, MISSING, (hashes % np.uint64(buckets)).astype(np.int64) + 1)


Encoder = (
    CategoryEncoder
    | IdEncoder
    | NumberEncoder
    | ValueEncoder
    | DateEncoder
    | SharedEncoder
    | ListEncoder
    | CrossEncoder
)
