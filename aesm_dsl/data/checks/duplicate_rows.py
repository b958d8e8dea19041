"""`DuplicateRows`: rows that were written more than once (W511), anywhere in the tables.

Looked for only where rows say whose they are and when: others may look alike without being the same. Compared are all
columns that the plan reads, by 64-bit hashes; of a large table the rows with the smallest hashes, so that all copies
of a row are looked at or none. Memory: KEPT hashes.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.duplicate_files import DuplicateFiles, categories_as_text
from aesm_dsl.data.checks.time_order import time_columns
from aesm_dsl.data.reading.checked_rows import CheckedRows, rows_text
from aesm_dsl.data.reading.hashing import Hashes
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan

MOST_HASHES = 2**18
LEAST_DUPLICATES = 10
"""Rows below which it is not told."""
_ALL = 2**64 - 1


class DuplicateRows:
    def __init__(self, plan: Plan, locate: Locate, copies: DuplicateFiles) -> None:
        """copies  has told of whole files that repeat others: their rows are not told once more"""
        self._locate, self._copies, self._user = locate, copies, plan.data.user if plan.data is not None else None
        self._timed = bool(time_columns(plan)) or any(feature.kind == "date" for feature in plan.features)
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._times = np.empty(0, dtype=np.int64)
        self._limit, self._rows, self._first = _ALL, 0, ""

    def update(self, chunk: CheckedRows) -> None:
        if self._user is None or not self._timed or not len(chunk):
            return
        self._rows += len(chunk)
        hash_R = (
            categories_as_text(chunk.rows.frame.select(sorted(chunk.rows.frame.columns))).hash_rows(seed=2).to_numpy()
        )
        row_K = np.flatnonzero(hash_R <= np.uint64(self._limit))
        hash_U, times_U = np.unique(hash_R[row_K], return_counts=True)
        place_U = np.minimum(np.searchsorted(self._hashes, hash_U), max(len(self._hashes) - 1, 0))
        known_U = self._hashes[place_U] == hash_U if len(self._hashes) else np.zeros(len(hash_U), dtype=np.bool_)
        if not self._first and (known_U | (times_U > 1)).any():
            self._first = chunk.rows.place(self._second(hash_R[row_K], row_K, hash_U[known_U]))
        self._times[place_U[known_U]] += times_U[known_U]
        hashes = np.concatenate([self._hashes, hash_U[~known_U]])
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._times = hashes[order], np.concatenate([self._times, times_U[~known_U]])[order]
        if len(self._hashes) > MOST_HASHES:
            self._hashes, self._times = self._hashes[: MOST_HASHES // 2], self._times[: MOST_HASHES // 2]
            self._limit = int(self._hashes[-1])

    def tell(self, findings: Findings) -> None:
        repeated = int((self._times - 1).sum())
        if repeated < LEAST_DUPLICATES or self._copies.told:
            return
        whole = self._limit == _ALL
        found = rows_text(repeated) if whole else f"about {round(repeated * _ALL / self._limit):,} rows"
        findings.add(
            "W511",
            f"{found} of {self._rows:,} say the same as an earlier one, `{self._user}` and time included; the first is "
            f"{self._first}",
            self._locate("data.train"),
            label="they count more than once",
            help="leave out what was written twice where the table is made",
        )

    @staticmethod
    def _second(hash_K: Hashes, row_K: np.ndarray[tuple[int], np.dtype[np.int64]], known: Hashes) -> int:
        """The first of the rows that has come before."""
        new_K = np.zeros(len(hash_K), dtype=np.bool_)
        new_K[np.unique(hash_K, return_index=True)[1]] = True
        return int(row_K[np.flatnonzero(~new_K | np.isin(hash_K, known))[0]])
