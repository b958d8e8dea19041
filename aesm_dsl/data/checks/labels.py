"""`LabelReader`: reads the label of a task, and reports cells that are none (E508). Axes: R rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import BadRows, Floats
from aesm_dsl.data.reading.comparison import is_above, is_one_of
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.values import Numbers, as_numbers, as_text, is_missing
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import TaskPlan

_YES = ("y", "yes", "t", "click", "clicked", "buy", "bought", "positive", "success", "1")
"""Words that mean 1, as far as they can be guessed."""


class LabelReader:
    """Reads the label of a task.

    If the label is the column itself, cells that are neither 0, 1 nor missing are reported (E508).
    """

    def __init__(self, task: TaskPlan, locate: Locate) -> None:
        self._task, self._locate = task, locate
        self._bad_rows = BadRows()
        self._minus_one, self._above_one, self._zero = False, False, False
        self._words: set[str] = set()

    @property
    def bad(self) -> bool:
        """Whether any cell so far is wrong."""
        return self._bad_rows.bad > 0

    def read(self, rows: TableRows) -> Numbers | Floats:
        """Returns label_R, NaN if missing."""
        task, column = self._task, rows.frame[self._task.column]
        if task.rule == "equals":
            assert task.value is not None
            wanted = task.value if isinstance(task.value, tuple) else (task.value,)
            return np.where(is_missing(column), np.nan, is_one_of(column, wanted))
        values, bad = as_numbers(column, task.form)
        if task.rule == "above":
            assert isinstance(task.value, int | float)
            return np.where(np.isnan(values), np.nan, is_above(column, task.value, task.form))
        if bad.any() and len(self._words) < 3:
            self._words.update(as_text(column.filter(pl.Series(bad))).unique().head(3).to_list())
        self._zero |= bool((values == 0).any())
        bad |= ~(np.isnan(values) | (values == 0) | (values == 1))
        self._bad_rows.add(rows, task.column, bad)
        self._minus_one |= bool((values == -1).any())
        self._above_one |= bool((values > 1).any())
        return values

    def report(self, findings: Findings) -> None:
        if not self._bad_rows.bad:
            return
        findings.add(
            "E508",
            f"label `{self._task.column}` of task `{self._task.name}` is neither 0, 1 nor missing in "
            f"{self._bad_rows.count_text}; {self._bad_rows.first_text}",
            self._locate(f"tasks.task.{self._task.name}.label"),
            label="labels are 0, 1 or missing",
            help=list(self._helps()),
        )

    def _helps(self) -> Iterator[str]:
        column = self._task.column
        if self._minus_one and not self._zero and not self._above_one:
            yield f"labels of -1 and 1: `label = above(column: {column}, value: 0)`"
        elif self._minus_one:
            yield "a missing label is an empty cell (null), not -1"
        if self._above_one:
            yield f"a count or an amount becomes a label by a threshold: `label = above(column: {column}, value: 0)`"
        if self._words:
            word = min(self._words, key=lambda word: (word.casefold() not in _YES, word))
            yield f'words become a label by those that mean 1: `label = equals(column: {column}, value: "{word}")`'
