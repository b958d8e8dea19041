"""Decides row by row which rows of the training table become test and validation rows.

Findings: E504 for a column that cannot be compared with the split's value, E505 for a split that takes no row or all.
Axes: R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import FailedUses, Locate
from aesm_dsl.data.encoding.value_counts import OrderedCounts
from aesm_dsl.data.reading.checked_rows import CheckedRows, rows_text
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.hashing import Hashes, splitmix64
from aesm_dsl.data.reading.values import Mask, as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan

PARTS = {"test": "test", "valid": "validation"}

ReadColumns = Callable[[Sequence[str]], Iterator[TableRows]]
"""Columns -> the rows of the training table with these columns, from the start."""


class Splits:
    """The rules by which rows leave the training table: first the test rows, then the validation rows."""

    def __init__(self, plan: Plan, failed: FailedUses, read: ReadColumns) -> None:
        """Reads the columns of the rules that need them.

        Args:
            plan: has the rules.
            failed: rules whose columns are missing or wrong are left out.
            read: reads the columns of rules that must know a whole column first (`last`).
        """
        data, self._read = plan.data, read
        rules = {} if data is None else {"test": data.test, "valid": data.valid}
        self._splits = [
            SplitRule(part, rule, plan.training.seed)
            for part, rule in rules.items()
            if isinstance(rule, SplitPlan) and not failed.has("train", f"data.{part}")
        ]
        for index, split in enumerate(self._splits):
            if split.needs_column:
                self._learn(index)

    @property
    def parts(self) -> list[str]:
        """The parts that rows go to: "test" and "valid", if they are splits."""
        return [split.part for split in self._splits]

    def divide(self, chunk: CheckedRows) -> Iterator[CheckedRows]:
        """Yields the chunk's rows by part, the training rows first; parts without a row are left out."""
        masks = list(self._masks(chunk.rows, self._splits))
        left = ~np.logical_or.reduce([np.zeros(len(chunk), dtype=np.bool_), *masks])
        for part, mask in zip(("train", *self.parts), (left, *masks), strict=True):
            if mask.any():
                yield chunk if mask.all() and part == chunk.part else chunk.take(mask, part)

    def report(self, findings: Findings, locate: Locate) -> None:
        """Adds what is wrong with the splits, once all rows have been divided."""
        for index, split in enumerate(self._splits):
            if split.fails and split.rule.column is not None and not split.needs_column:
                self._learn(index)  # for the range of values that the finding shows
            split.report(findings, locate)

    def _learn(self, index: int) -> None:
        """Reads the column of one rule, without the rows that the rules before it take."""
        before, split = self._splits[:index], self._splits[index]
        rules = [earlier.rule for earlier in (*before, split)]
        columns = [rule.column for rule in rules if rule.column is not None]
        for rows in self._read(columns):
            left = np.ones(len(rows), dtype=np.bool_)
            for earlier in before:
                left &= ~earlier.decide(rows)
            split.learn(rows, left)
        split.settle()

    @staticmethod
    def _masks(rows: TableRows, splits: Sequence[SplitRule]) -> Iterator[Mask]:
        left = np.ones(len(rows), dtype=np.bool_)
        for split in splits:
            taken = split.take(rows, left)
            left &= ~taken
            yield taken


class SplitRule:
    """One rule, which takes rows from the training table.

    "last" compares numbers and dates by value and text by its characters; it takes the group of largest values whose
    size is closest to the share, at least one value. "last", "from" and "equals" never take a row with a missing value.
    "random" takes each row with the share as its probability; the decision depends only on the seed, the part and the
    row's number in the table, so it is the same on every machine.
    """

    def __init__(self, part: str, rule: SplitPlan, seed: int) -> None:
        self.part, self.rule = part, rule
        self._seed, self._order = seed, OrderedCounts()
        self._rows = self._taken = 0
        self._incomparable = ""
        """What the column holds that cannot be compared with the rule's value, in words."""
        self._least: float | str | None = None

    @property
    def needs_column(self) -> bool:
        """Whether it must know the whole column before it decides."""
        return self.rule.kind == "last" or (self.rule.kind == "from" and _number(self.rule.value) is not None)

    @property
    def fails(self) -> bool:
        """Whether it takes no row, or all."""
        return self._taken in (0, self._rows) and self._rows > 0

    def learn(self, rows: TableRows, left_R: Mask) -> None:
        """Takes the column's values from the rows that are left."""
        assert self.rule.column is not None
        self._order.add(rows.frame[self.rule.column].filter(pl.Series(left_R)))

    def settle(self) -> None:
        """Finds the least value that is taken, after all rows have been learnt."""
        if self.rule.kind == "last":
            self._least = self._order.least(self.rule.share or 0.0)

    def take(self, rows: TableRows, left_R: Mask) -> Mask:
        """Returns the rows that it takes from those that are left, and counts them."""
        taken = self.decide(rows) & left_R
        self._rows += int(left_R.sum())
        self._taken += int(taken.sum())
        return taken

    def decide(self, rows: TableRows) -> Mask:
        """Returns the rows that it takes if all are left."""
        rule = self.rule
        if rule.kind == "random":
            return _random(rule.share or 0.0, rows, self._seed, 1 if self.part == "test" else 2)
        assert rule.column is not None
        column = rows.frame[rule.column]
        match rule.kind:
            case "last":
                return _at_least(column, self._least)
            case "from":
                least = self._bound(column)
                if least is None:
                    self._incomparable = self._incomparable or _kind(column)
                return _at_least(column, least)
            case "equals":
                wanted = as_text(pl.Series([rule.value]))[0]
                equal: Mask = (as_text(column) == wanted).fill_null(False).to_numpy()
                return equal
            case kind:
                raise ValueError(f"unknown kind of split {kind!r}")

    def report(self, findings: Findings, locate: Locate) -> None:
        """Adds E504 if the column cannot be compared with the rule's value, E505 if the rule takes no row or all."""
        name, span, column = PARTS[self.part], locate(f"data.{self.part}"), self.rule.column
        if self._incomparable:
            message = (
                f"the {name} split cannot compare column `{column}` ({self._incomparable}) with `{self.rule.value}`"
            )
            findings.add("E504", message, span, help="compare dates with an ISO date, numbers with a number")
        elif self.fails:
            taken = f"all {rows_text(self._rows)}, leaving none to train on" if self._taken else "no rows"
            by = f" by column `{column}`" if column else ""
            helps = "" if self.rule.kind == "random" else self._order.range
            findings.add("E505", f"the {name} split{by} takes {taken}", span, label="no rows", help=helps)

    def _bound(self, column: pl.Series) -> float | str | None:
        """The rule's value in the unit of `as_numbers`, or as text; None if the column is of another kind."""
        value = self.rule.value
        if isinstance(column.dtype, pl.Date | pl.Datetime):
            timestamp = _timestamp(value)
            return None if timestamp is None else (timestamp - datetime(1970, 1, 1)).total_seconds() / 86_400
        wanted = _number(value)
        if wanted is not None and self._order.numeric:
            return wanted
        text = isinstance(value, str) and not column.dtype.is_numeric() and column.dtype != pl.Boolean
        return str(value) if text else None


def _random(share: float, rows: TableRows, seed: int, part: int) -> Mask:
    """The rows whose hash of (seed, part, row number) lies in the lowest share of all hashes."""
    start: Hashes = splitmix64(splitmix64(np.array([seed % 2**64], dtype=np.uint64)) ^ np.uint64(part))
    keys: Hashes = splitmix64(np.arange(rows.first, rows.first + len(rows), dtype=np.uint64) ^ start)
    taken: Mask = keys < np.uint64(int(share * 2**64))
    return taken


def _at_least(column: pl.Series, least: float | str | None) -> Mask:
    if least is None:
        return np.zeros(len(column), dtype=np.bool_)
    if isinstance(least, str):
        return (as_text(column) >= least).fill_null(False).to_numpy()
    return np.asarray(as_numbers(column)[0] >= least)


def _timestamp(value: str | float | None) -> datetime | None:
    try:
        timestamp = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return timestamp.astimezone(UTC).replace(tzinfo=None) if timestamp.tzinfo else timestamp


def _number(value: str | float | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _kind(column: pl.Series) -> str:
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return "dates"
    return "numbers" if column.dtype.is_numeric() else "text"
