"""`RowSample`: a fixed number of training rows, drawn by their numbers: the same however the rows come in chunks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import splitmix64
from aesm_dsl.data.reading.values import as_numbers, as_text
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

ROWS = 32_768
"""Rows that are kept."""

SINGLE = ("category", "id", "vectors", "number", "value")
"""Kinds of features that may have one value a row; dates and lists are not sampled."""


class RowSample:
    """Holds at most 2 `rows` rows; `frame()` gives those with the smallest hashes of their numbers, in order.

    Its columns: "text FEATURE", and "value FEATURE" for numbers; "label TASK"; "node LEVEL".
    """

    def __init__(self, plan: Plan, rows: int = ROWS) -> None:
        self._plan, self._most, self._seen = plan, rows, 0
        self._pieces: list[pl.DataFrame] = []
        self._kept, self._limit = 0, 2**64 - 1

    @property
    def features(self) -> Sequence[FeaturePlan]:
        return [feature for feature in self._plan.features if feature.kind in SINGLE and not feature.take]

    def update(self, chunk: CheckedRows) -> None:
        if chunk.part != "train":
            return
        number_R = np.arange(self._seen, self._seen + len(chunk), dtype=np.uint64)
        self._seen += len(chunk)
        key_R = splitmix64(number_R)
        chosen_R = key_R <= np.uint64(self._limit)
        if not chosen_R.any():
            return
        rows = chunk.rows.frame.filter(pl.Series(chosen_R))
        columns: dict[str, object] = {"key": key_R[chosen_R], "number": number_R[chosen_R]}
        for feature in self.features:
            columns[f"text {feature.name}"] = as_text(rows[feature.column])
            if feature.kind in ("number", "value"):
                columns[f"value {feature.name}"] = as_numbers(rows[feature.column])[0]
        for place, task in enumerate(self._plan.tasks.tasks):
            columns[f"label {task.name}"] = chunk.label_RT[chosen_R, place]
        for place, level in enumerate(self._plan.levels):
            columns[f"node {level.name}"] = chunk.node_RL[chosen_R, place]
        self._pieces.append(pl.DataFrame(columns))
        self._kept += int(chosen_R.sum())
        if self._kept > 2 * self._most:
            self._settle()

    def frame(self) -> pl.DataFrame:
        self._settle()
        return self._pieces[0].sort("number") if self._pieces else pl.DataFrame()

    def _settle(self) -> None:
        if self._kept > self._most:
            self._pieces = [pl.concat(self._pieces).sort("key").head(self._most)]
            self._limit = int(self._pieces[0]["key"][-1])
        elif self._pieces:
            self._pieces = [pl.concat(self._pieces)]
        self._kept = self._pieces[0].height if self._pieces else 0
