"""`MissingWords`: finds texts that writers put for a missing value, where they are read as values (W515).

Memory: a few counts for each column.
"""

from __future__ import annotations

from collections import Counter

import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, CheckedRows, rows_text
from aesm_dsl.data.reading.values import MISSING_WORDS, nameless, null_option
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan


class MissingWords:
    """A `TableCheck` of the columns of text from which features are read as values, not as numbers or dates."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._locate = locate
        of_values = [feature for feature in plan.reading if feature.kind in ("category", "id", "vectors")]
        self._keys = {feature.column: f"features.{feature.group}.{feature.name}" for feature in of_values}
        self._counts = {column: Counter[str]() for column in self._keys}
        self._words = list(MISSING_WORDS)
        self._first: dict[str, str] = {}
        """Column -> the row with its first such word."""

    def update(self, chunk: CheckedRows) -> None:
        for column, counts in self._counts.items():
            cells = nameless(chunk.rows.frame[column])
            if isinstance(cells.dtype, pl.String):
                found = cells.is_in(self._words).fill_null(False)
                if found.any():
                    self._first.setdefault(column, chunk.rows.location(int(found.arg_max() or 0)))
                    counts.update(cells.filter(found).to_list())

    def report(self, findings: Findings) -> None:
        for column, counts in self._counts.items():
            if not counts:
                continue
            said = ", ".join(f"`{word}` in {rows_text(rows)}" for word, rows in counts.most_common(3))
            findings.add(
                "W515",
                f"column `{column}` holds {said}, which is read as a value like any other; the first is in "
                f"{self._first[column]}",
                self._locate(self._keys[column]),
                label="missing values?",
                help=null_option([word for word, _ in counts.most_common(3)]),
            )
