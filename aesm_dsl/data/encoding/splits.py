"""Decides row by row which rows of the training table become test and validation rows.

Findings: E504 for a value that cannot be compared with the column, E505 for a split that takes no row or all, E525 for
a column without an order.
Axes: R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.checks.column_uses import FailedUses
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.time_order import FORMAT_HELP, report_unordered
from aesm_dsl.data.encoding.value_counts import OrderedCounts
from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows, rows_text
from aesm_dsl.data.reading.comparison import is_at_least, is_one_of
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.hashing import Hashes, hash64, splitmix64
from aesm_dsl.data.reading.order import date_of, read_order
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan

PARTS = {"test": "test", "valid": "validation"}

ReadColumns = Callable[[Sequence[str]], Iterator[TableRows]]
"""Columns -> the rows of the training table with these columns, from the start."""

LEAST_ROWS = 100
"""Of fewer rows, a share is met by chance only."""
MOST_OFF = 1.5
"""A share that is off by this factor is told."""


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
        query = None if data is None or failed.has("train", "data.query") else data.query
        self._splits = [
            SplitRule(part, rule, plan.training.seed if rule.seed is None else rule.seed, query)
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
        masks = list(self._masks(chunk.as_read, self._splits))
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
        columns = [column for rule in (*before, split) for column in rule.columns]
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

    "last" and "from" compare numbers, or dates if the rule's value or any cell is written as one; other text has no
    order (E525). "last" takes the group of largest values whose size is closest to the share, at least one value.
    "last", "from" and "equals" never take a row with a missing value. "random" takes each row with the share as its
    probability; the decision depends only on the seed, the part and the row's number in the table, so it is the same on
    every machine. With a column of queries it depends on the query in place of the number, where there is one, so that
    the rows of a query stay together.
    """

    def __init__(self, part: str, rule: SplitPlan, seed: int, query: str | None = None) -> None:
        self.part, self.rule = part, rule
        self._query = query if rule.kind == "random" else None
        self._seed, self._order = seed, OrderedCounts(rule.column or "", rule.format)
        self._rows = self._taken = 0
        self._number = _number(rule.value) if rule.kind == "from" and not rule.format else None
        self._date = date_of(rule.value, rule.format) if rule.kind == "from" and rule.value is not None else None
        self._least: float | int | None = None if self._number is not None else self._date
        self._unordered = BadRows()

    @property
    def needs_column(self) -> bool:
        """Whether it must know the whole column before it decides: a number may be compared with dates, too."""
        return self.rule.kind == "last" or self._number is not None

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [column for column in (self.rule.column, self._query) if column is not None]

    @property
    def fails(self) -> bool:
        """Whether it takes no row, or all."""
        return self._taken in (0, self._rows) and self._rows > 0

    def learn(self, rows: TableRows, left_R: Mask) -> None:
        """Takes the column's values from the rows that are left."""
        self._order.add(rows, left_R)

    def settle(self) -> None:
        """Finds the least value that is taken, after all rows have been learnt."""
        if self.rule.kind == "last":
            self._least = self._order.least(self.rule.share or 0.0)
        elif self.needs_column:
            self._least = self._date if self._order.dated else self._number
        if self.needs_column:
            self._unordered = self._order.unordered

    def take(self, rows: TableRows, left_R: Mask) -> Mask:
        """Returns the rows that it takes from those that are left, and counts them."""
        if self.rule.kind == "from" and not self.needs_column:
            order = read_order(rows.frame[self.rule.column or ""], self.rule.format)
            self._unordered.add(rows, self.rule.column or "", order.no_date_R & left_R)
        taken = self.decide(rows) & left_R
        self._rows += int(left_R.sum())
        self._taken += int(taken.sum())
        return taken

    def decide(self, rows: TableRows) -> Mask:
        """Returns the rows that it takes if all are left."""
        rule = self.rule
        if rule.kind == "random":
            return _random(rule.share or 0.0, _keys(rows, self._query), self._seed, 1 if self.part == "test" else 2)
        assert rule.column is not None
        column = rows.frame[rule.column]
        match rule.kind:
            case "last" | "from":
                return self._at_least(column)
            case "equals":
                assert rule.value is not None
                return is_one_of(column, (rule.value,))
            case kind:
                raise ValueError(f"unknown kind of split {kind!r}")

    def report(self, findings: Findings, locate: Locate) -> None:
        """Adds E525 if the column has no order, E504 if the rule's value is of another kind, E505 if none or all are
        taken.
        """
        name, span, column = PARTS[self.part], locate(f"data.{self.part}"), self.rule.column
        if self.rule.kind == "from" and self._least is None:
            self._report_value(name, findings, span)
        elif self._unordered.bad:
            report_unordered(f"the {name} split", self.rule, self._unordered, findings, span)
        elif self.fails:
            taken = f"all {rows_text(self._rows)}, leaving none to train on" if self._taken else "no rows"
            by = f" by column `{column}`" if column else ""
            helps = "" if self.rule.kind == "random" else self._order.range
            findings.add("E505", f"the {name} split{by} takes {taken}", span, label="no rows", help=helps)
        elif self.rule.kind == "last" and self._rows >= LEAST_ROWS:
            self._report_share(name, findings, span)

    def _report_share(self, name: str, findings: Findings, span: Span | None) -> None:
        """Adds W526 if the share that the rule takes is another than it says: rows of one value stay together."""
        asked, taken = self.rule.share or 0.0, self._taken / self._rows
        if not asked / MOST_OFF < taken < asked * MOST_OFF:
            findings.add(
                "W526",
                f"the {name} split takes {taken:.1%} of the rows, not {asked:.1%}: rows with the same "
                f"`{self.rule.column}` stay together",
                span,
                label=f"{rows_text(self._taken)} of {self._rows:,}",
                help=["choose a column with more values, such as the time of the row", self._order.range],
            )

    def _report_value(self, name: str, findings: Findings, span: Span | None) -> None:
        value, column = self.rule.value, self.rule.column
        if self._number is not None:
            message = f"the {name} split cannot compare column `{column}` (dates) with `{value}`"
            findings.add("E504", message, span, help="compare dates with an ISO date, numbers with a number")
            return
        form = f"date of the format `{self.rule.format}`" if self.rule.format else "number or ISO date"
        message = f"the {name} split cannot tell what comes after `{value}`: it is no {form}"
        findings.add("E525", message, span, label="text has no order", help=FORMAT_HELP.format("from", column))

    def _at_least(self, column: pl.Series) -> Mask:
        if self._least is None:
            return np.zeros(len(column), dtype=np.bool_)
        if self._order.dated or (self.rule.kind == "from" and self._number is None):
            order = read_order(column, self.rule.format)
            late: Mask = (order.date_R >= self._least).fill_null(False).to_numpy()
            return late
        return is_at_least(column, self._least)


def _keys(rows: TableRows, query: str | None) -> Hashes:
    """What decides about each row: the hash of its query; without one its number in the table."""
    number_R: Hashes = np.arange(rows.first, rows.first + len(rows), dtype=np.uint64)
    if query is None:
        return number_R
    hash_R, missing_R = hash64(rows.frame[query])
    return np.where(missing_R, number_R, hash_R)


def _random(share: float, key_R: Hashes, seed: int, part: int) -> Mask:
    """The rows whose hash of (seed, part, key) lies in the lowest share of all hashes."""
    start: Hashes = splitmix64(splitmix64(np.array([seed % 2**64], dtype=np.uint64)) ^ np.uint64(part))
    taken: Mask = splitmix64(key_R ^ start) < np.uint64(int(share * 2**64))
    return taken


def _number(value: str | float | None) -> float | int | None:
    """The value as a number, a whole one exactly; None if it is none."""
    if not isinstance(value, str):
        return value
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return None
