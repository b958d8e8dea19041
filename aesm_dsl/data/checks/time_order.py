"""`TimeOrder`: checks that validation and test rows come after the training rows (W509).

Checked are the columns of time-based splits, in parts that are files of their own. Memory: two numbers for each column
and part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, BadRows, CheckedRows, cell_text, rows_text
from aesm_dsl.data.reading.order import read_order
from aesm_dsl.data.reading.values import Numbers, as_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan

FORMAT_HELP = 'say how dates are written: `split({}: ..., by: {}, format: "%d/%m/%Y")`'
"""Help for text that has no order, to be filled with the kind of split and its column."""

_ROWS = {"valid": "the validation rows", "test": "the test rows"}
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


def _time_rules(plan: Plan) -> list[SplitPlan]:
    """The splits that say when a row happened."""
    data = plan.data
    rules = [] if data is None else [data.valid, data.test]
    return [rule for rule in rules if isinstance(rule, SplitPlan) and rule.kind in ("last", "from")]


def time_columns(plan: Plan) -> list[str]:
    """Returns the columns that say when a row happened: those of the splits `last` and `from`."""
    return list(dict.fromkeys(rule.column for rule in _time_rules(plan) if rule.column is not None))


class TimeOrder:
    """A `TableCheck` that compares the time ranges of the parts. The training rows have to come first."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._ranges: dict[tuple[str, str, str], _Range] = {}
        """(part, column, "date" or "number") -> its range, read so."""
        self._unordered: dict[tuple[str, str, str], BadRows] = {}
        """The rows that have no place in that order."""
        self._dated: set[str] = set()
        """Columns with a cell that is written as a date: they are compared as dates."""

    def update(self, chunk: CheckedRows) -> None:
        for rule in _time_rules(self._plan):
            column = rule.column or ""
            if column not in chunk.as_read.frame.columns or not len(chunk):
                continue
            cells = chunk.as_read.frame[column]
            order = read_order(cells, rule.format)
            if order.dated or rule.format:
                self._dated.add(column)
            for kind, key_R, bad_R in (
                ("number", order.number_R, order.no_number_R),
                ("date", order.date_R, order.no_date_R),
            ):
                self._unordered.setdefault((chunk.part, column, kind), BadRows()).add(chunk.as_read, column, bad_R)
                values = np.array(key_R.cast(pl.Float64).to_numpy(), dtype=np.float64)
                if not np.isnan(values).all():
                    self._widen((chunk.part, column, kind), values, chunk)

    def _widen(self, key: tuple[str, str, str], values: Numbers, chunk: CheckedRows) -> None:
        """Adds the values of a chunk to a range."""
        _, column, kind = key
        cells, span = chunk.as_read.frame[column], self._ranges.setdefault(key, _Range())
        train = self._ranges.get(("train", column, kind))
        span.early += int((values < train.high).sum()) if train is not None else 0
        least, most = int(np.nanargmin(values)), int(np.nanargmax(values))
        if values[least] < span.low:
            cell = cell_text(as_text(cells)[least])
            span.low, span.first = float(values[least]), f"{cell} in {chunk.as_read.location(least)}"
        if values[most] > span.high:
            span.high, span.last = float(values[most]), cell_text(as_text(cells)[most])

    def report(self, findings: Findings) -> None:
        for part, rule in ((part, rule) for part in _DONE for rule in _time_rules(self._plan)):
            column, place = rule.column or "", self._locate(f"data.{part}")
            kind = "date" if column in self._dated else "number"
            span, train = (self._ranges.get((name, column, kind)) for name in (part, "train"))
            unordered = self._unordered.get((part, column, kind))
            if isinstance(getattr(self._plan.data, part), SplitPlan):
                continue
            if unordered is not None and unordered.bad:
                report_unordered(f"the time order of {_ROWS[part]}", rule, unordered, findings, place)
            elif span is not None and train is not None and span.low < train.high:
                findings.add(
                    "W509",
                    f"{rows_text(span.early)} to {_DONE[part]} {'comes' if span.early == 1 else 'come'} before the "
                    f"training rows end: by `{column}`, the earliest is {span.first}, and training rows go on to "
                    f"{train.last}",
                    place,
                    label="a model is measured on rows from the time that it learnt from",
                    help=f"cut both files at the same `{column}`",
                )


def report_unordered(owner: str, rule: SplitPlan, unordered: BadRows, findings: Findings, span: Span | None) -> None:
    """Adds E525: a column that says when a row happened holds text that has no order."""
    form = f"dates of the format `{rule.format}`" if rule.format else "numbers or ISO dates"
    findings.add(
        "E525",
        f"{owner} needs the order of column `{rule.column}`, which holds something else than {form} in "
        f"{unordered.count_text}; {unordered.first_text}",
        span,
        label="text has no order",
        help=[FORMAT_HELP.format(rule.kind, rule.column), "leave the cell of a missing date empty"],
    )
