"""`TableDraft`: what each column of a table is probably for, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.draft.column import Column
from aesm_dsl.plan.data import CsvFormat

Labels = npt.NDArray[np.float32]


@dataclass(slots=True)
class TaskGuess:
    """A column that is probably a label."""

    column: str
    label_R: Labels
    """1, 0, or NaN if the label is missing, in the sampled rows."""
    rule: Literal["as is", "equals", "above"] = "as is"
    value: str | int | float = 1
    """With "equals" the value for which the label is 1, with "above" the one above which it is."""
    after: str | None = None
    """Column of the task that it follows."""
    note: str = ""
    """Why it is a task, if its name does not say it."""

    @property
    def rate(self) -> float:
        """Share of positives."""
        return float(np.nanmean(self.label_R)) if not np.isnan(self.label_R).all() else 0.0

    @property
    def ones_R(self) -> npt.NDArray[np.bool_]:
        """Which of the sampled rows are positive."""
        ones: npt.NDArray[np.bool_] = self.label_R == 1
        return ones


@dataclass(slots=True)
class LevelGuess:
    """A column that probably says where a row happened."""

    column: str
    values: list[str]
    """The values, most frequent first."""
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Value -> the values of the level above that it occurs under."""
    missing: int = 0
    """Rows without a value."""


@dataclass(slots=True)
class TableDraft:
    """The guessed roles of all columns."""

    rows: int
    tasks: list[TaskGuess] = field(default_factory=list)
    levels: list[LevelGuess] = field(default_factory=list)
    features: list[Column] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> the column of another feature whose things it holds too."""
    notes: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> why the user should look at it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Column -> why it is not a feature."""
    user: str | None = None
    query: str | None = None
    """Column that is the same for all rows that were shown together."""
    time: Column | None = None
    """Column that the rows are split by."""
    parts: dict[str, str] = field(default_factory=dict)
    """Part of the table -> its value in `part_column`."""
    part_column: str | None = None
    """Column that says to which part a row belongs."""
    csv: CsvFormat = field(default_factory=CsvFormat)
    """How csv files of the table are written."""
