"""`ConstantFeatures`: finds features that have the same value in all training rows.

Findings: W504 for a column of one value, W505 for a column of missing values, E512 if no feature is left. Memory: two
values for each column.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.own_columns import has_feature
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows, cell_text
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

LEAST_ROWS = 10
"""In fewer training rows, a single value does not show that a column is constant."""


@dataclass(slots=True)
class _Cells:
    """The cells of one column so far."""

    values: set[str] = field(default_factory=set)
    """At most two different values."""
    missing: bool = False

    @property
    def varies(self) -> bool:
        return len(self.values) + self.missing > 1


class ConstantFeatures:
    """A `TableCheck` that compares the cells of every feature over all training rows."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate, self._rows = plan, locate, 0
        self._cells = {feature.column: _Cells() for feature in plan.reading}
        self._only = {feature.column: feature for feature in plan.reading}

    def update(self, chunk: CheckedRows) -> None:
        self._rows += len(chunk)
        for column, cells in self._cells.items():
            if not cells.varies:
                values = cells_as_text(chunk.rows.frame[column])
                if self._only[column].only:
                    values = values.filter(pl.Series(has_feature(self._plan, self._only[column], chunk.node_RL)))
                values = values.unique()
                cells.missing |= values.null_count() > 0
                cells.values.update(values.drop_nulls().head(2).to_list())

    def report(self, findings: Findings) -> None:
        constant = [feature for feature in self._plan.reading if not self._cells[feature.column].varies]
        if self._rows < LEAST_ROWS or not constant:
            return
        if len(constant) == len(self._plan.reading):
            findings.add(
                "E512",
                f"every feature has one value in all {self._rows:,} training rows",
                self._locate(_key(constant[0])),
                label=f"{quoted((feature.name for feature in constant), 3)}: one value each",
                help="read columns whose values differ",
            )
            return
        for feature in constant:
            cells, span = self._cells[feature.column], self._locate(_key(feature))
            if cells.missing:
                message = f"column `{feature.column}` is missing in all {self._rows:,} training rows"
                findings.add("W505", message, span, label="carries no information", help=_DELETE)
            else:
                value = cell_text(next(iter(cells.values)))
                message = f"column `{feature.column}` is {value} in all {self._rows:,} training rows"
                findings.add("W504", message, span, label="carries no information", help=_DELETE)


_DELETE = "delete the feature, or read a column whose values differ"


def _key(feature: FeaturePlan) -> str:
    return f"features.{feature.group}.{feature.name}"


def cells_as_text(column: pl.Series) -> pl.Series:
    """Returns the cells as text: of a list, the text of its items; null if the cell or the list is empty."""
    if not column.dtype.is_nested():
        return as_text(column)
    items = pl.select(pl.lit(column.cast(pl.List(pl.String))).list.join("\0", ignore_nulls=True)).to_series()
    return items.set(items == "", None)
