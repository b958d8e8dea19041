"""`CheckedRows`, a chunk of rows with the plan's nodes, labels and weights, and `TableCheck`, a check over all chunks.

A check says which parts it is about, and `update_checks` shows it the rows of these alone.

Axes: R rows, L levels, T tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Nodes = np.ndarray[tuple[int, int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """A chunk of rows of one part, with what the plan reads from them."""

    part: str
    """"train", "valid" or "test"."""
    rows: TableRows
    node_RL: Nodes
    """Each row's node at every level, UNKNOWN if its value names none."""
    label_RT: Floats
    """0, 1, or NaN if the label is missing or the row is outside the task's sample space (all NaN if no labels are
    read)."""
    weight_R: Floats
    """1 if the plan names no weight or no labels are read."""
    bad_R: Mask | None = None
    """Rows that cannot be scored: their node, their path, or a cell that has to be a number or a date is wrong."""
    whole: TableRows | None = None
    """The rows as they were read, if cells of `rows` are blank because their rows do not have a feature."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def as_read(self) -> TableRows:
        """The rows as they were read."""
        return self.rows if self.whole is None else self.whole

    def take(self, chosen: Mask, part: str) -> CheckedRows:
        """Returns the rows where `chosen` is true, in their order, as rows of `part`."""
        rows = self.rows.take(chosen)
        bad_R = None if self.bad_R is None else self.bad_R[chosen]
        whole = None if self.whole is None else self.whole.take(chosen)
        return CheckedRows(part, rows, self.node_RL[chosen], self.label_RT[chosen], self.weight_R[chosen], bad_R, whole)


TRAINING = frozenset({"train"})
EVERY_PART = frozenset({"train", "valid", "test"})


class TableCheck(Protocol):
    """A check that looks at every chunk of its parts, in order, and reports once what it found in all of them."""

    @property
    def parts(self) -> frozenset[str]:
        """The parts whose rows it looks at: TRAINING, or EVERY_PART if it compares them or names the row it found."""

    def update(self, chunk: CheckedRows) -> None:
        """Looks at the next chunk of one of its parts."""

    def report(self, findings: Findings) -> None:
        """Adds findings, after the last chunk."""


def update_checks(checks: Iterable[TableCheck], chunk: CheckedRows) -> None:
    """Shows a chunk to the checks that look at its part."""
    for check in checks:
        if chunk.part in check.parts:
            check.update(chunk)


@dataclass(slots=True)
class BadRows:
    """Counts the rows in which a column is wrong, and remembers the first."""

    checked: int = 0
    """Number of rows looked at."""
    bad: int = 0
    """Number of wrong rows."""
    value: Any = None
    """The cell of the first wrong row."""
    location: str = ""
    """The first wrong row, as `TableRows.location`."""

    def add(self, rows: TableRows, column: str, bad_R: Mask) -> None:
        """Adds the rows of a chunk; `bad_R` says in which of them the column is wrong."""
        self.checked += len(rows)
        if bad_R.any():
            first = int(bad_R.argmax())
            if not self.bad:
                self.value, self.location = rows.frame[column][first], rows.location(first)
            self.bad += int(bad_R.sum())

    @property
    def count_text(self) -> str:
        """The number of wrong rows in words: "3 rows"."""
        return rows_text(self.bad)

    @property
    def first_text(self) -> str:
        """The first wrong row in words: its cell and its location."""
        return f"the first is {cell_text(self.value)} in {self.location}"


def rows_text(rows: int) -> str:
    """A number of rows in words: "1 row", "2,000 rows"."""
    return "1 row" if rows == 1 else f"{rows:,} rows"


def cell_text(value: Any) -> str:
    """A cell as a finding shows it."""
    value = value.to_list() if isinstance(value, pl.Series) else value
    return "a missing value" if value is None or value == "" else f"`{value}`"
