"""`OrderedCounts`: the values of a whole column in order, and how often each occurs, learnt chunk by chunk."""

from __future__ import annotations

import polars as pl

from aesm_dsl.data.reading.checked_rows import BadRows
from aesm_dsl.data.reading.comparison import EXACT, whole_numbers
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.order import read_order
from aesm_dsl.data.reading.values import Mask, as_text

VALUES = 2_000_000
"""Different values that are kept apart. Beyond that, neighbours are merged into groups of at most a GROUPS-th of the
rows, so that memory stays bounded and no place in the order is off by more than that."""
GROUPS = 500_000

CELL = ["text", "number", "whole", "date"]
"""What is known of a cell: its text and its places in the order."""


class OrderedCounts:
    """Orders values as dates if any of them is written as one, else as numbers; other text has no order."""

    def __init__(self, column: str, format: str = "") -> None:
        """Starts without any rows.

        Args:
            column: the name of the column.
            format: how its dates are written as text; empty for ISO text and numbers.
        """
        self._column, self._format = column, format
        schema = {"text": pl.String, "number": pl.Float64, "whole": pl.Int128, "date": pl.Int64, "rows": pl.Int64}
        self._counted = pl.DataFrame(schema=schema)
        self._parts: list[pl.DataFrame] = []
        self.rows = 0
        """All rows, also those with a missing value."""
        self.dated = False
        """Whether any cell so far is written as a date."""
        self._no_number, self._no_date = BadRows(), BadRows()

    def add(self, rows: TableRows, left_R: Mask) -> None:
        """Adds the column's values in the rows that are left."""
        rows = rows.take(left_R)
        column = rows.frame[self._column]
        order = read_order(column, self._format)
        self._no_number.add(rows, self._column, order.no_number_R)
        self._no_date.add(rows, self._column, order.no_date_R)
        self.dated |= order.dated
        numbers = {"number": order.number_R, "whole": _large(column, order.number_R)}
        cells = pl.DataFrame({"text": as_text(column), **numbers, "date": order.date_R})
        known = cells.drop_nulls("text").group_by(CELL).agg(pl.len().cast(pl.Int64).alias("rows"))
        self.rows += len(rows)
        self._parts.append(known)
        if sum(part.height for part in self._parts) > VALUES // 4:
            self._settle()

    @property
    def unordered(self) -> BadRows:
        """The rows whose value has no place in the order."""
        return self._no_date if self.dated else self._no_number

    def least(self, share: float) -> float | int | None:
        """Returns the least value of the group of largest values whose size is closest to the share of all rows.

        It is a number, or for dates the microseconds since 1970. None if the column has no values in order.
        """
        self._settle()
        key = ["date"] if self.dated else ["number", "whole"]
        groups = self._counted.drop_nulls(key[0]).group_by(key).agg(pl.col("rows").sum()).sort(key, descending=True)
        if not groups.height:
            return None
        best = (groups["rows"].cum_sum() - share * self.rows).abs().arg_min()
        *_, exact = (groups[name][best if best is not None else 0] for name in key)
        value: float | int = groups[key[0]][best if best is not None else 0] if exact is None else exact
        return value

    @property
    def range(self) -> str:
        """The first and the last value, in words."""
        self._settle()
        if not self._counted.height:
            return "all its values are missing"
        return f"its values go from `{self._counted['text'][0]}` to `{self._counted['text'][-1]}`"

    def _settle(self) -> None:
        together = pl.concat([self._counted, *self._parts]).group_by(CELL).agg(pl.col("rows").sum())
        self._parts.clear()
        self._counted = together.sort(["date", "text"] if self.dated else ["number", "whole", "text"])
        if self._counted.height > VALUES:
            group = pl.col("rows").cum_sum() * GROUPS // self.rows
            self._counted = self._counted.group_by(group.alias("group"), maintain_order=True).agg(
                pl.col(CELL).first(), pl.col("rows").sum()
            )
            self._counted = self._counted.drop("group")


def _large(column: pl.Series, number_R: pl.Series) -> pl.Series:
    """The whole numbers that a float64 does not keep apart from their neighbours, Int128; null for others."""
    whole = whole_numbers(column) if (number_R.abs() >= EXACT).any() else None
    if whole is None:
        return pl.Series([None] * len(column), dtype=pl.Int128)
    return whole.set((number_R.abs() < EXACT).fill_null(True), None)
