"""`DuplicateFiles`: finds files that hold the same rows as another file (W510), in one part or in two.

Rows are compared in the columns of features, levels and labels. Single rows that look alike are no mistake: different
events may look the same. Memory: one number for each file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, CheckedRows, rows_text
from aesm_dsl.data.reading.hashing import splitmix64
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan

LEAST_ROWS = 10
"""Two files with fewer rows than this may well be the same by chance."""


@dataclass(slots=True)
class _File:
    rows: int = 0
    digest: int = 0
    """Sum of the hashes of its rows with their numbers: the same for files with the same rows in the same order,
    however these are chunked."""


class DuplicateFiles:
    """A `TableCheck` that compares a digest of the rows of every file."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._columns = list(
            dict.fromkeys(
                [feature.column for feature in plan.reading]
                + [level.column for level in plan.levels]
                + [task.column for task in plan.tasks.tasks]
            )
        )
        self._files: dict[tuple[str, str], _File] = {}
        self.found = False
        """Whether a file with the rows of another was reported."""

    def update(self, chunk: CheckedRows) -> None:
        if not len(chunk):
            return
        split = isinstance(getattr(self._plan.data, chunk.part, None), SplitPlan)
        file = self._files.setdefault(("train" if split else chunk.part, chunk.rows.file), _File())
        rows = chunk.rows
        number_R = np.arange(rows.start, rows.start + len(rows)) if rows.number_R is None else rows.number_R
        file.rows += len(rows)
        hash_R = categories_as_text(rows.frame.select(named(self._columns))).hash_rows(seed=1).to_numpy()
        file.digest = (file.digest + int(splitmix64(hash_R ^ splitmix64(number_R.astype(np.uint64))).sum())) % 2**64

    def report(self, findings: Findings) -> None:
        first: dict[tuple[int, int], tuple[str, str]] = {}
        for (part, name), file in self._files.items():
            other_part, other = first.setdefault((file.rows, file.digest), (part, name))
            if (other_part, other) == (part, name) or file.rows < LEAST_ROWS:
                continue
            if name == other:
                message = f"`{name}` is read as {_PART[other_part]} rows and as {_PART[part]} rows"
            else:
                message = f"`{name}` holds the same {rows_text(file.rows)} as `{other}`"
            label = "read twice" if part == other_part else f"they are {_PART[other_part]} rows too"
            self.found = True
            findings.add("W510", message, self._locate(f"data.{part}"), label=label, help="list these rows only once")


_PART = {"train": "training", "valid": "validation", "test": "test"}


def categories_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the frame with categories as text, since their codes differ from file to file."""
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
