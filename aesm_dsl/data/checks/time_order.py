"""`TimeOrder`: checks that validation and test rows come after the training rows (W509).

Checked are the columns of time-based splits, in parts that are files of their own. Memory: two numbers for each column
and part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows, cell_text, rows_text
from aesm_dsl.data.reading.values import as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan

_DONE = {"valid": "validate on", "test": "test on"}


@dataclass(slots=True)
class _Range:
    """The time range of a part."""

    low: float = np.inf
    high: float = -np.inf
    first: str = ""
    """The cell of `low` and its row, in words."""
    last: str = ""
    """The cell of `high`, in words."""
    early: int = 0
    """Rows that come before the last training row."""


def time_columns(plan: Plan) -> list[str]:
    """Returns the columns that say when a row happened: those of the splits `last` and `from`."""
    data = plan.data
    rules = [] if data is None else [data.valid, data.test]
    columns = [rule.column for rule in rules if isinstance(rule, SplitPlan) and rule.kind in ("last", "from")]
    return list(dict.fromkeys(column for column in columns if column is not None))


class TimeOrder:
    """A `TableCheck` that compares the time ranges of the parts. The training rows have to come first."""

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._ranges: dict[tuple[str, str], _Range] = {}
        self._text: set[str] = set()
        """Columns of text that a split compares by its characters: they have no range here."""

    def update(self, chunk: CheckedRows) -> None:
        for column in time_columns(self._plan):
            if column not in chunk.rows.frame.columns or not len(chunk):
                continue
            cells = chunk.rows.frame[column]
            values, bad = as_numbers(cells)
            if bad.any():
                self._text.add(column)
            if bad.any() or np.isnan(values).all():
                continue
            span = self._ranges.setdefault((chunk.part, column), _Range())
            train = self._ranges.get(("train", column))
            span.early += int((values < train.high).sum()) if train is not None else 0
            least, most = int(np.nanargmin(values)), int(np.nanargmax(values))
            if values[least] < span.low:
                span.low, span.first = (
                    float(values[least]),
                    f"{cell_text(as_text(cells)[least])} in {chunk.rows.location(least)}",
                )
            if values[most] > span.high:
                span.high, span.last = float(values[most]), cell_text(as_text(cells)[most])

    def report(self, findings: Findings) -> None:
        for (part, column), span in self._ranges.items():
            rule = getattr(self._plan.data, part)
            train = self._ranges.get(("train", column))
            if part == "train" or isinstance(rule, SplitPlan) or train is None or column in self._text:
                continue
            if span.low < train.high:
                findings.add(
                    "W509",
                    f"{rows_text(span.early)} to {_DONE[part]} {'comes' if span.early == 1 else 'come'} before the "
                    f"training rows end: by `{column}`, the earliest is {span.first}, and training rows go on to "
                    f"{train.last}",
                    self._locate(f"data.{part}"),
                    label="a model is measured on rows from the time that it learnt from",
                    help=f"cut both files at the same `{column}`",
                )
