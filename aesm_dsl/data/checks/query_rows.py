"""`QueryRows`: looks at which rows are of one query: in two parts (W538), or most of them alone (W539).

Queries are known by their 64-bit hashes. Of many queries those with the smallest hashes are looked at, each in all
parts or in none. Memory: MOST_HASHES hashes for each part.

Axes: R rows of a chunk, U different hashes, K those that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, CheckedRows
from aesm_dsl.data.reading.hashing import Hashes, hash64
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan

MOST_HASHES = 2**18
LEAST_QUERIES = 10
"""Fewer queries than this are not judged by how many rows they have."""
_ALL = 2**64 - 1


@dataclass(slots=True)
class _Queries:
    """The queries of a part with the smallest hashes."""

    hash_K: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    rows_K: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    limit: int = _ALL
    """All hashes up to this one are kept."""

    def add(self, hash_R: Hashes) -> None:
        hashes = np.concatenate([self.hash_K, hash_R[hash_R <= np.uint64(self.limit)]])
        rows = np.concatenate([self.rows_K, np.ones(len(hashes) - len(self.hash_K), np.int64)])
        self.hash_K, place_R = np.unique(hashes, return_inverse=True)
        self.rows_K = np.bincount(place_R, rows, len(self.hash_K)).astype(np.int64)
        if len(self.hash_K) > MOST_HASHES:
            self.hash_K, self.rows_K = self.hash_K[: MOST_HASHES // 2], self.rows_K[: MOST_HASHES // 2]
            self.limit = int(self.hash_K[-1])

    def about(self, count: int) -> str:
        """So many of the kept queries, as a number of all of them."""
        return f"{count:,}" if self.limit == _ALL else f"about {round(count * _ALL / self.limit):,}"


class QueryRows:
    """A `TableCheck` of the column of queries."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._query, self._locate = None if plan.data is None else plan.data.query, locate
        self._parts: dict[str, _Queries] = {}
        self._first: dict[str, str] = {}
        """Part -> its first row that is of a query of the training rows before it."""

    def update(self, chunk: CheckedRows) -> None:
        if self._query is None or not len(chunk):
            return
        hash_R, missing_R = hash64(chunk.as_read.frame[self._query])
        train = self._parts.get("train")
        if chunk.part not in self._first and chunk.part != "train" and train is not None:
            shared_R = np.isin(hash_R, train.hash_K) & ~missing_R
            if shared_R.any():
                self._first[chunk.part] = chunk.rows.location(int(np.argmax(shared_R)))
        self._parts.setdefault(chunk.part, _Queries()).add(hash_R[~missing_R])

    def report(self, findings: Findings) -> None:
        train = self._parts.get("train")
        for part, words in (("valid", "validation"), ("test", "test")):
            held_out = self._parts.get(part)
            if train is not None and held_out is not None:
                self._report_shared(train, held_out, part, words, findings)
        for part, words in (("train", "training"), ("valid", "validation"), ("test", "test")):
            queries = self._parts.get(part)
            if queries is not None and len(queries.hash_K) >= LEAST_QUERIES:
                self._report_single(queries, words, findings)
                return

    def _report_shared(self, train: _Queries, held_out: _Queries, part: str, words: str, findings: Findings) -> None:
        """Adds W538 if queries of the training rows have further rows in another part."""
        limit = np.uint64(min(train.limit, held_out.limit))
        shared = int(np.isin(held_out.hash_K[held_out.hash_K <= limit], train.hash_K).sum())
        if not shared:
            return
        cut = "1 query" if shared == 1 else f"{_Queries(limit=int(limit)).about(shared)} queries"
        first = f"; the first such row is {self._first[part]}" if part in self._first else ""
        findings.add(
            "W538",
            f"{cut} of the {words} rows {'has' if shared == 1 else 'have'} training rows too{first}",
            self._locate(f"data.{part}") or self._locate("data.query"),
            label="queries are cut in two",
            help=[
                "split by the time at which a query began, or write `split(random: 10%)`, which keeps queries together",
                f"`{self._query}` must not be used again for another query",
            ],
        )

    def _report_single(self, queries: _Queries, words: str, findings: Findings) -> None:
        """Adds W539 if most queries have one row."""
        alone = int((queries.rows_K == 1).sum())
        if 2 * alone > len(queries.hash_K):
            findings.add(
                "W539",
                f"{queries.about(alone)} of {queries.about(len(queries.hash_K))} queries of the {words} rows have one "
                "row",
                self._locate("data.query"),
                label="there is nothing to order",
                help="name the column that is the same for all rows that were shown together",
            )
