"""`RowSample`: a fixed number of training rows, drawn by their row numbers: the same however the rows are chunked."""

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
"""Rows of a sample."""

SINGLE = ("category", "id", "vectors", "number", "value")
"""Kinds of features that may have one value a row; dates and lists are not sampled."""


class RowSample:
    """Samples the training rows whose row numbers have the smallest hashes.

    Memory: at most 2 `rows` rows.
    """

    def __init__(self, plan: Plan, rows: int = ROWS) -> None:
        self._plan, self._most, self._rows_read = plan, rows, 0
        self._pieces: list[pl.DataFrame] = []
        self._held, self._limit = 0, 2**64 - 1

    @property
    def features(self) -> Sequence[FeaturePlan]:
        """The features that are sampled."""
        return [feature for feature in self._plan.features if feature.kind in SINGLE and not feature.take]

    def update(self, chunk: CheckedRows) -> None:
        """Takes rows from the next chunk of training rows."""
        number_R = np.arange(self._rows_read, self._rows_read + len(chunk), dtype=np.uint64)
        self._rows_read += len(chunk)
        key_R = splitmix64(number_R)
        chosen_R = key_R <= np.uint64(self._limit)
        if not chosen_R.any():
            return
        rows = chunk.rows.frame.filter(pl.Series(chosen_R))
        columns: dict[str, object] = {"key": key_R[chosen_R], "number": number_R[chosen_R]}
        for feature in self.features:
            columns[f"text {feature.name}"] = as_text(rows[feature.column])
            if feature.kind in ("number", "value"):
                columns[f"value {feature.name}"] = as_numbers(rows[feature.column], feature.form)[0]
        for index, task in enumerate(self._plan.tasks.tasks):
            columns[f"label {task.name}"] = chunk.label_RT[chosen_R, index]
        for index, level in enumerate(self._plan.levels):
            columns[f"node {level.name}"] = chunk.node_RL[chosen_R, index]
        self._pieces.append(pl.DataFrame(columns))
        self._held += int(chosen_R.sum())
        if self._held > 2 * self._most:
            self._shrink()

    def frame(self) -> pl.DataFrame:
        """Returns the sampled rows in the order of the table; no columns if there were no training rows.

        Its columns are "text FEATURE", for numbers also "value FEATURE", "label TASK" and "node LEVEL".
        """
        self._shrink()
        return self._pieces[0].sort("number") if self._pieces else pl.DataFrame()

    def _shrink(self) -> None:
        """Puts the pieces together and keeps the `most` rows with the smallest hashes."""
        if self._held > self._most:
            self._pieces = [pl.concat(self._pieces).sort("key").head(self._most)]
            self._limit = int(self._pieces[0]["key"][-1])
        elif self._pieces:
            self._pieces = [pl.concat(self._pieces)]
        self._held = self._pieces[0].height if self._pieces else 0
