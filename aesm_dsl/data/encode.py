"""`Encoders`: raw columns -> ids. Fitted on training rows only (fitting.py), stored with the run, used on all rows.

Ids of any later table stay inside the
embedding tables, whatever it holds. Axes: R rows, S slots of ids, V values.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.hashing import hash64
from aesm_dsl.data.quantile import bucket
from aesm_dsl.data.value import as_numbers, as_text
from aesm_dsl.plan import MISSING, OTHER

FORMAT = 1
"""Version of the encoders' JSON form; the hash and the rules of value.py belong to it."""

Ids = np.ndarray[tuple[int], np.dtype[np.int64]]
Slots = np.ndarray[tuple[int, int], np.dtype[np.int32 | np.int64]]
Values = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Category:
    """0 missing, 1 outside the vocabulary, 2... its values, most frequent first."""

    name: str
    column: str
    values: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.values) + 2

    def ids(self, column: pl.Series) -> Ids:
        text = as_text(column)
        known = pl.Series(self.values, dtype=pl.String)
        places = pl.Series(range(2, self.rows), dtype=pl.Int64)
        ids = text.replace_strict(known, places, default=OTHER, return_dtype=pl.Int64).to_numpy()
        return np.where(text.is_null().to_numpy(), MISSING, ids)


@dataclass(frozen=True, slots=True)
class Id:
    """0 missing, 1...`buckets` the value's hash modulo `buckets`, plus 1."""

    name: str
    column: str
    buckets: int

    @property
    def rows(self) -> int:
        return self.buckets + 1

    def ids(self, column: pl.Series) -> Ids:
        hashes, missing = hash64(column)
        ids = (hashes % np.uint64(self.buckets)).astype(np.int64) + 1
        return np.where(missing, MISSING, ids)


@dataclass(frozen=True, slots=True)
class Number:
    """0 missing, 1... the quantile bucket. `rows` is as planned; few distinct values leave some unused."""

    name: str
    column: str
    rows: int
    boundaries: tuple[float, ...]

    def ids(self, column: pl.Series) -> Ids:
        values, _ = as_numbers(column)
        return np.where(np.isnan(values), MISSING, bucket(values, self.boundaries) + 1)


Encoder = Category | Id | Number
KINDS: dict[type[Encoder], str] = {Category: "category", Id: "id", Number: "number"}


@dataclass(frozen=True, slots=True)
class Encoders:
    """One encoder per feature, in the plan's order."""

    encoders: tuple[Encoder, ...]

    def encode(self, frame: pl.DataFrame) -> tuple[Slots, Values]:
        """ids_RS and value_RV in the plan's order, for any table with the features' columns.

        0 <= id < rows()[feature], int32 where all tables are small enough for it. V is 0 without features that are used
        as numbers.
        """
        small = all(encoder.rows < 2**31 for encoder in self.encoders)
        ids_RS = np.empty((frame.height, len(self.encoders)), dtype=np.int32 if small else np.int64)
        for s, encoder in enumerate(self.encoders):
            ids_RS[:, s] = encoder.ids(frame[encoder.column])
        return ids_RS, np.empty((frame.height, 0), dtype=np.float32)

    def rows(self) -> dict[str, int]:
        """Feature name -> rows of its embedding table, as fitted (for `Plan.with_rows`)."""
        return {encoder.name: encoder.rows for encoder in self.encoders}

    def to_json(self) -> str:
        features = [{"kind": KINDS[type(encoder)], **asdict(encoder)} for encoder in self.encoders]
        return json.dumps({"format": FORMAT, "features": features}, ensure_ascii=False, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Encoders:
        """The encoders that `to_json` wrote, exactly. Raises ValueError for another format's version."""
        stored: dict[str, Any] = json.loads(text)
        if stored.get("format") != FORMAT:
            raise ValueError(f"encoders of format {stored.get('format')}, this version reads format {FORMAT}")
        return Encoders(tuple(_restored(dict(feature)) for feature in stored["features"]))


def _restored(values: dict[str, Any]) -> Encoder:
    kind = values.pop("kind")
    if kind == "category":
        return Category(values["name"], values["column"], tuple(values["values"]))
    if kind == "id":
        return Id(values["name"], values["column"], values["buckets"])
    return Number(values["name"], values["column"], values["rows"], tuple(values["boundaries"]))
