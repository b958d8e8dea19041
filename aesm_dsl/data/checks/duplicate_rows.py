"""`DuplicateRows`: finds rows that occur more than once anywhere in the tables (W511).

Only checked if the rows have a user and a time: other rows may look alike without being the same. Rows are compared in
all columns that the plan reads, by 64-bit hashes. In a large table the rows with the smallest hashes are compared, so
either all copies of a row are looked at or none. Memory: MOST_HASHES hashes.

Axes: R rows of a chunk, K of them with a small enough hash, U different hashes.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.duplicate_files import DuplicateFiles, categories_as_text
from aesm_dsl.data.checks.time_order import time_columns
from aesm_dsl.data.reading.checked_rows import EVERY_PART, CheckedRows, rows_text
from aesm_dsl.data.reading.hashing import Hashes
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan

MOST_HASHES = 2**18
LEAST_DUPLICATES = 10
"""Fewer duplicates than this are not reported."""
_ALL = 2**64 - 1


class DuplicateRows:
    """A `TableCheck` that compares the hashes of all rows."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate, files: DuplicateFiles) -> None:
        """Makes the check.

        Args:
            plan: says which columns are read.
            locate: finds the place of a setting in the spec.
            files: the check that reports whole files; if it found any, their rows are not reported again.
        """
        self._locate, self._files, self._user = locate, files, plan.data.user if plan.data is not None else None
        self._timed = bool(time_columns(plan)) or any(feature.kind == "date" for feature in plan.all_features)
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._times = np.empty(0, dtype=np.int64)
        self._limit, self._rows, self._first, self._first_part = _ALL, 0, "", "train"

    def update(self, chunk: CheckedRows) -> None:
        if self._user is None or not self._timed or not len(chunk):
            return
        self._rows += len(chunk)
        frame = chunk.rows.frame
        hash_R = categories_as_text(frame.select(named(sorted(frame.columns)))).hash_rows(seed=2).to_numpy()
        row_K = np.flatnonzero(hash_R <= np.uint64(self._limit))
        hash_U, times_U = np.unique(hash_R[row_K], return_counts=True)
        place_U = np.minimum(np.searchsorted(self._hashes, hash_U), max(len(self._hashes) - 1, 0))
        known_U = self._hashes[place_U] == hash_U if len(self._hashes) else np.zeros(len(hash_U), dtype=np.bool_)
        if not self._first and (known_U | (times_U > 1)).any():
            self._first = chunk.rows.location(self._first_duplicate(hash_R[row_K], row_K, hash_U[known_U]))
            self._first_part = chunk.part
        self._times[place_U[known_U]] += times_U[known_U]
        hashes = np.concatenate([self._hashes, hash_U[~known_U]])
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._times = hashes[order], np.concatenate([self._times, times_U[~known_U]])[order]
        if len(self._hashes) > MOST_HASHES:
            self._hashes, self._times = self._hashes[: MOST_HASHES // 2], self._times[: MOST_HASHES // 2]
            self._limit = int(self._hashes[-1])

    def report(self, findings: Findings) -> None:
        duplicates = int((self._times - 1).sum())
        if duplicates < LEAST_DUPLICATES or self._files.found:
            return
        exact = self._limit == _ALL
        count = rows_text(duplicates) if exact else f"about {round(duplicates * _ALL / self._limit):,} rows"
        findings.add(
            "W511",
            f"{count} of {self._rows:,} are copies of an earlier row, `{self._user}` and time included; the first is "
            f"{self._first}",
            self._locate(f"data.{self._first_part}"),
            label="they count more than once",
            help="remove the copies where the table is made",
        )

    @staticmethod
    def _first_duplicate(hash_K: Hashes, row_K: np.ndarray[tuple[int], np.dtype[np.int64]], known: Hashes) -> int:
        """The first of the rows that has come before, in this chunk or in an earlier one (`known`)."""
        new_K = np.zeros(len(hash_K), dtype=np.bool_)
        new_K[np.unique(hash_K, return_index=True)[1]] = True
        return int(row_K[np.flatnonzero(~new_K | np.isin(hash_K, known))[0]])
