"""`OrderedCounts`: the values of a whole column in order, and how often each occurs, learnt chunk by chunk."""

from __future__ import annotations

import polars as pl

from aesm_dsl.data.reading.values import as_numbers, as_text

VALUES = 2_000_000
"""Different values that are kept apart. Beyond that, neighbours are merged into groups of at most a GROUPS-th of the
rows, so that memory stays bounded and no place in the order is off by more than that."""
GROUPS = 500_000


class OrderedCounts:
    """Orders values as numbers if all cells read as numbers or dates, else by the characters of their text."""

    def __init__(self) -> None:
        schema = {"text": pl.String, "number": pl.Float64, "rows": pl.Int64}
        self._counted = pl.DataFrame(schema=schema)
        self._parts: list[pl.DataFrame] = []
        self.rows = 0
        """All rows, also those with a missing value."""
        self.numeric = True
        """Whether all cells so far read as numbers."""

    def add(self, column: pl.Series) -> None:
        """Adds the values of the next rows."""
        self.rows += len(column)
        counts = pl.DataFrame({"value": column}).group_by("value").agg(pl.len().cast(pl.Int64).alias("rows"))
        numbers, bad = as_numbers(counts["value"])
        text = as_text(counts["value"])
        self.numeric &= not bad.any()
        part = pl.DataFrame({"text": text, "number": numbers, "rows": counts["rows"]}).drop_nulls("text")
        self._parts.append(part)
        if sum(part.height for part in self._parts) > VALUES // 4:
            self._settle()

    def least(self, share: float) -> float | str | None:
        """Returns the least value of the group of largest values whose size is closest to the share of all rows.

        None if the column has no values.
        """
        self._settle()
        if not self._counted.height:
            return None
        key = "number" if self.numeric else "text"
        groups = self._counted.group_by(key).agg(pl.col("rows").sum()).sort(key, descending=True)
        best = (groups["rows"].cum_sum() - share * self.rows).abs().arg_min()
        value: float | str = groups[key][best if best is not None else 0]
        return value

    @property
    def range(self) -> str:
        """The first and the last value, in words."""
        self._settle()
        if not self._counted.height:
            return "all its values are missing"
        return f"its values go from `{self._counted['text'][0]}` to `{self._counted['text'][-1]}`"

    def _settle(self) -> None:
        together = pl.concat([self._counted, *self._parts]).group_by("text", "number").agg(pl.col("rows").sum())
        self._parts.clear()
        self._counted = together.sort("number" if self.numeric else "text", "text")
        if self._counted.height > VALUES:
            group = pl.col("rows").cum_sum() * GROUPS // self.rows
            self._counted = self._counted.group_by(group.alias("group"), maintain_order=True).agg(
                pl.col("text").first(), pl.col("number").first(), pl.col("rows").sum()
            )
            self._counted = self._counted.drop("group")
