"""`CheckedRows`: a chunk of rows with what the plan makes of them, and `TableCheck`: what looks at all chunks before it speaks.

Axes: R rows, L levels, T tasks.
"""

from __future__ import annotations

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
    part: str
    """"train", "valid" or "test"."""
    rows: TableRows
    node_RL: Nodes
    """Each row's node at every level, UNKNOWN where its value names none."""
    label_RT: Floats
    """0, 1, or NaN where missing or outside the task's sample space (all NaN where no labels are read)."""
    weight_R: Floats
    """1 where the plan names no weight or no labels are read."""
    bad_R: Mask | None = None
    """Rows that cannot be scored: their node, their path, or a cell that has to be a number or a date is wrong."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Mask, part: str) -> CheckedRows:
        """The rows where `chosen` is true, in their order, as rows of a part."""
        rows = self.rows.take(chosen)
        bad_R = None if self.bad_R is None else self.bad_R[chosen]
        return CheckedRows(part, rows, self.node_RL[chosen], self.label_RT[chosen], self.weight_R[chosen], bad_R)


class TableCheck(Protocol):
    """Sees every chunk of the rows it is about, in order, and tells once what it found in all of them."""

    def update(self, chunk: CheckedRows) -> None: ...

    def tell(self, findings: Findings) -> None: ...


@dataclass(slots=True)
class BadRows:
    """How many of all rows are wrong, and which is the first."""

    seen: int = 0
    bad: int = 0
    value: Any = None
    """Of the first bad row."""
    place: str = ""
    """Where the first bad row is, in words."""

    def add(self, rows: TableRows, column: str, bad_R: Mask) -> None:
        self.seen += len(rows)
        if bad_R.any():
            first = int(bad_R.argmax())
            if not self.bad:
                self.value, self.place = rows.frame[column][first], rows.place(first)
            self.bad += int(bad_R.sum())

    @property
    def counted(self) -> str:
        return rows_text(self.bad)

    @property
    def first(self) -> str:
        return f"the first is {cell_text(self.value)} in {self.place}"


def rows_text(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def cell_text(value: Any) -> str:
    """A cell as a finding shows it."""
    value = value.to_list() if isinstance(value, pl.Series) else value
    return "a missing value" if value is None or value == "" else f"`{value}`"
