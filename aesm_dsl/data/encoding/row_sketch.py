"""`RowSketch`: which rows a run learnt from, in a few hundred kilobytes. `SeenRows` finds them again in a table.

A row is known by the 64-bit hash of all that is read from it: encoded features, the numbers before they are cut into
buckets, nodes, labels and user. So it is the same row in whatever file, format and order it comes. Of the training rows
the smallest hashes are kept, which are a sample of the different rows; of all rows of a part, their number and the sum
of their hashes, which are equal for two tables only if these hold the same rows.

Rows that look alike are not always the same event. How often that happens by chance is known from the training rows
themselves, and from those that were set aside: the smaller share of the two is expected in any table.

Axes: R rows of a chunk, K hashes that are kept.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import Hashes, splitmix64
from aesm_dsl.data.reading.values import as_numbers
from aesm_dsl.plan.plan import Plan

KEPT = 2**14
"""Hashes of different training rows that are kept, and at most twice as many."""
LEAST_SHARE = 0.02
"""A smaller share of a table than this is not called learnt."""
_ALL = 2**64 - 1


def row_hashes(plan: Plan, chunk: CheckedRows, encoded: Sequence[npt.NDArray[Any]]) -> Hashes:
    """Returns the hash of each row. What is known in training only does not count: other tables lack it.

    Args:
        plan: says which columns hold numbers.
        chunk: the rows.
        encoded: ids, values and user numbers of the rows, (R, ...) each.
    """
    frame = chunk.rows.frame
    numbers = [as_numbers(frame[one.column])[0] for one in plan.features if one.kind == "number" and not one.take]
    ids_RS, value_RV, user_RU = encoded
    encoded = ids_RS[:, : plan.slots], value_RV[:, : plan.values], user_RU
    parts = [*encoded, chunk.node_RL, chunk.label_RT, *(column[:, None] for column in numbers)]
    hash_R: Hashes = np.zeros(len(chunk), np.uint64)
    for part in parts:
        for column in part.T:
            hash_R = splitmix64(hash_R ^ _bits(column))
    return hash_R


def _bits(column: npt.NDArray[Any]) -> Hashes:
    """The cells as 64 bits each: numbers as float32, with one NaN and one zero."""
    if column.dtype.kind == "f":
        with np.errstate(over="ignore"):
            single = column.astype(np.float32) + np.float32(0)
        single[np.isnan(single)] = np.nan
        return single.view(np.uint32).astype(np.uint64)
    return column.astype(np.int64).view(np.uint64)


@dataclass(slots=True)
class _Sample:
    """The smallest hashes of a part with the number of their rows, and the sum over all rows."""

    hash_K: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    times_K: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    limit: int = _ALL
    """All hashes up to this one are kept."""
    rows: int = 0
    total: int = 0

    def add(self, hash_R: Hashes) -> None:
        self.rows += len(hash_R)
        self.total = (self.total + int(hash_R.sum(dtype=np.uint64))) % 2**64
        small_R = hash_R[hash_R <= np.uint64(self.limit)]
        joined = np.concatenate([self.hash_K, small_R])
        times = np.concatenate([self.times_K, np.ones(len(small_R), np.int64)])
        self.hash_K, place = np.unique(joined, return_inverse=True)
        self.times_K = np.bincount(place, times, len(self.hash_K)).astype(np.int64)
        if len(self.hash_K) > 2 * KEPT:
            self.hash_K, self.times_K = self.hash_K[:KEPT], self.times_K[:KEPT]
            self.limit = int(self.hash_K[-1])

    @property
    def twins(self) -> float:
        """The share of rows that look like another row."""
        return float(self.times_K[self.times_K > 1].sum() / max(1, self.times_K.sum()))


class RowSketch:
    """Takes the rows of every part, chunk by chunk."""

    def __init__(self) -> None:
        self._samples: dict[str, _Sample] = {}

    def update(self, part: str, hash_R: Hashes) -> None:
        """Adds rows of a part."""
        self._samples.setdefault(part, _Sample()).add(hash_R)

    def summary(self) -> dict[str, Any]:
        """Returns what a run keeps, as plain values."""
        train = self._samples.get("train", _Sample())
        others = [sample for part, sample in self._samples.items() if part != "train" and sample.rows]
        return {
            "parts": {part: [sample.rows, str(sample.total)] for part, sample in self._samples.items()},
            "limit": str(train.limit),
            "expected": min([train.twins, *(_overlap(train, sample) for sample in others)]),
            "hashes": base64.b64encode(train.hash_K.astype("<u8").tobytes()).decode(),
        }


def _overlap(train: _Sample, other: _Sample) -> float:
    """The share of another part's rows that look like a training row."""
    both_K = other.hash_K <= np.uint64(min(train.limit, other.limit))
    times_K = other.times_K[both_K]
    return float(times_K[np.isin(other.hash_K[both_K], train.hash_K)].sum() / max(1, times_K.sum()))


class SeenRows:
    """Counts the rows of a table that a run was trained on.

    Args:
        summary: what `RowSketch.summary` returned; empty for a run of an earlier version, of which nothing is known.
    """

    def __init__(self, summary: Mapping[str, Any]) -> None:
        parts = summary.get("parts", {})
        self._parts = {name: (int(rows), int(total)) for name, (rows, total) in parts.items()}
        self._limit, self._expected = int(summary.get("limit", _ALL)), float(summary.get("expected", 1.0))
        self._hash_K = np.frombuffer(base64.b64decode(summary.get("hashes", "")), "<u8").astype(np.uint64)
        self._rows = self._total = self._looked = self._known = 0

    def update(self, hash_R: Hashes) -> None:
        """Counts the rows of a chunk."""
        self._rows += len(hash_R)
        self._total = (self._total + int(hash_R.sum(dtype=np.uint64))) % 2**64
        small_R = hash_R[hash_R <= np.uint64(self._limit)]
        self._looked += len(small_R)
        self._known += int(np.isin(small_R, self._hash_K).sum())

    def share(self, *, same_files: bool = False) -> float:
        """Returns the share of the rows that are training rows, in [0, 1]; 0 if it is not more than chance.

        Args:
            same_files: the table is made of files that the run was trained on, so their rows need not be told from
                others that look alike.
        """
        if "train" in self._parts and self._rows:
            train_rows, train_total = self._parts["train"]
            rows, total = (sum(values) for values in zip(*self._parts.values(), strict=True))
            for candidate in ((train_rows, train_total), (rows, total % 2**64)):
                if candidate == (self._rows, self._total):
                    return train_rows / self._rows
        found = self._known / max(1, self._looked)
        if same_files and found >= max(LEAST_SHARE, 0.9 * self._expected):
            return found
        chance = 4 * (self._expected * (1 - self._expected) / max(1, self._looked)) ** 0.5
        return found if found > max(1.25 * self._expected, self._expected + max(LEAST_SHARE, chance)) else 0.0
