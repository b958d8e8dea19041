"""`TimeOrder`: whether the rows that are measured on come after those that are learnt from (W509).

Looked at are the columns that a split goes by, in parts that are files of their own. Memory: two numbers a column.
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
    low: float = np.inf
    high: float = -np.inf
    first: str = ""
    """The row of `low`, in words."""
    last: str = ""
    """The value of `high`, in words."""
    early: int = 0
    """Rows that come before the last training row."""


def time_columns(plan: Plan) -> list[str]:
    """The columns that say when a row happened: a split takes the last rows by them, or those from a value on."""
    data = plan.data
    rules = [] if data is None else [data.valid, data.test]
    found = [rule.column for rule in rules if isinstance(rule, SplitPlan) and rule.kind in ("last", "from")]
    return list(dict.fromkeys(column for column in found if column is not None))


class TimeOrder:
    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._seen: dict[tuple[str, str], _Range] = {}
        self._text: set[str] = set()

    def update(self, chunk: CheckedRows) -> None:
        for column in time_columns(self._plan):
            if column not in chunk.rows.frame.columns or not len(chunk):
                continue
            cells = chunk.rows.frame[column]
            values, bad = as_numbers(cells)
            if bad.any():  # text that is compared by its characters
                self._text.add(column)
            if bad.any() or np.isnan(values).all():
                continue
            seen = self._seen.setdefault((chunk.part, column), _Range())
            learnt = self._seen.get(("train", column))  # the training rows are read first
            seen.early += int((values < learnt.high).sum()) if learnt is not None else 0
            least, most = int(np.nanargmin(values)), int(np.nanargmax(values))
            if values[least] < seen.low:
                seen.low, seen.first = (
                    float(values[least]),
                    f"{cell_text(as_text(cells)[least])} in {chunk.rows.place(least)}",
                )
            if values[most] > seen.high:
                seen.high, seen.last = float(values[most]), cell_text(as_text(cells)[most])

    def tell(self, findings: Findings) -> None:
        for (part, column), seen in self._seen.items():
            rule = getattr(self._plan.data, part)
            learnt = self._seen.get(("train", column))
            if part == "train" or isinstance(rule, SplitPlan) or learnt is None or column in self._text:
                continue
            if seen.low < learnt.high:
                findings.add(
                    "W509",
                    f"{rows_text(seen.early)} to {_DONE[part]} {'comes' if seen.early == 1 else 'come'} before the "
                    f"training rows end: by `{column}`, the earliest is {seen.first}, and training rows go on to "
                    f"{learnt.last}",
                    self._locate(f"data.{part}"),
                    label="a model is asked about what it has learnt",
                    help=f"cut both files at one `{column}`",
                )
