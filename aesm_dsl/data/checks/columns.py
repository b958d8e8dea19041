"""Do the tables have the columns that the plan uses, and are these of a fitting type?

A `ColumnUse` is one reason to need a column. Findings: E503 column missing, E504 wrong type. What has failed here
is remembered in `FailedUses`, so that no later stage tells the same thing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.timestamps import as_timestamps
from aesm_dsl.data.reading.values import Mask, as_numbers
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

Locate = Callable[[str], Span | None]
"""Dotted path of a setting (such as "level.card.column") -> its place in the spec, None where unknown."""

ANYTHING, SINGLE_VALUE, ID, NUMBER, LABEL = "anything", "single values", "whole numbers or text", "numbers", "0 or 1"
DATE, LIST, TEXT_LIST = "dates", "lists", "lists or text"
"""What a use needs a column to hold, in the words of its findings."""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    key: str
    """Dotted path for `Locate`."""
    column: str
    owner: str
    """Who uses it, in words: "feature `age`"."""
    needs: str
    inner: str = ""
    """What a list needs to hold."""
    zone: str = ""
    """Where dates are read."""
    separator: str = ""
    """Of lists as text."""

    @property
    def single(self) -> str:
        """What each of its values has to be."""
        return self.inner or self.needs


@dataclass(slots=True)
class FailedUses:
    """(part, key) of uses whose column is missing or of the wrong type."""

    known: set[tuple[str, str]] = field(default_factory=set)

    def add(self, part: str, use: ColumnUse) -> None:
        self.known.add((part, use.key))

    def has(self, part: str, key: str) -> bool:
        return (part, key) in self.known


def column_uses(plan: Plan, labels: bool) -> list[ColumnUse]:
    """The columns that every table needs; those of labels, row weights and users only when `labels`."""
    wanted = [
        ColumnUse(
            f"features.{one.group}.{one.name}",
            one.column,
            f"feature `{one.name}`",
            *_needs(one),
            one.zone,
            one.separator,
        )
        for one in plan.reading
    ]
    wanted += [
        ColumnUse(f"level.{one.name}.column", one.column, f"level `{one.name}`", SINGLE_VALUE) for one in plan.levels
    ]
    if labels:
        for task in plan.tasks.tasks:
            key, owner = f"tasks.task.{task.name}.label", f"task `{task.name}`"
            wanted.append(ColumnUse(key, task.column, owner, _LABEL[task.rule]))
        if plan.data is not None and plan.data.weight is not None:
            wanted.append(ColumnUse("data.weight", plan.data.weight, "the row weight", NUMBER))
        if plan.data is not None and plan.data.user is not None:
            wanted.append(ColumnUse("data.user", plan.data.user, "the user of a row", ID))
    return wanted


def split_column_uses(plan: Plan) -> list[ColumnUse]:
    """The columns that only the training table needs: those it is split by."""
    data = plan.data
    parts = {} if data is None else {"test": data.test, "valid": data.valid}
    return [
        ColumnUse(f"data.{part}", rule.column, f"the {_PART[part]} split", SINGLE_VALUE)
        for part, rule in parts.items()
        if isinstance(rule, SplitPlan) and rule.column is not None
    ]


def check_columns(
    tables: Mapping[str, tuple[Sequence[DataFile], Sequence[ColumnUse]]],
    findings: Findings,
    locate: Locate,
    faults: FailedUses,
) -> None:
    """Per column one E503 that names all files without it; per use at most one E504, for its first table.

    tables  part ("train", "valid", "test") -> its files and what they are used for
    """
    lacking: dict[str, tuple[list[ColumnUse], list[DataFile]]] = {}
    for part, (files, wanted) in tables.items():
        for use in wanted:
            without = [file for file in files if use.column not in file.schema]
            if without:
                faults.add(part, use)
                owners, named = lacking.setdefault(use.column, ([], []))
                owners.extend([use] if use not in owners else [])
                named.extend(file for file in without if file not in named)
    for column, (owners, named) in lacking.items():
        _tell_missing(column, owners, named, findings, locate)
    told: set[str] = set()
    for part, (files, wanted) in tables.items():
        for use in wanted:
            wrong = [file for file in files if use.column in file.schema and _holds(use, file.schema[use.column])]
            if wrong:
                faults.add(part, use)
            if wrong and use.key not in told:
                told.add(use.key)
                _tell_type(use, wrong, findings, locate)


class NumberCheck:
    """E504 for cells that are no numbers, or no dates, where these are needed: how many, and the first. Row weights
    come later."""

    def __init__(self, part: str, wanted: Sequence[ColumnUse], locate: Locate, faults: FailedUses) -> None:
        self._part, self._locate, self._faults = part, locate, faults
        numbers = [use for use in wanted if use.single in _NOUN and use.key != "data.weight"]
        self._tallies = {use: BadRows() for use in numbers if not faults.has(part, use.key)}

    def update(self, chunk: CheckedRows) -> Mask:
        """bad_R, rows with such a cell."""
        bad_R = np.zeros(len(chunk), dtype=np.bool_)
        for use, tally in self._tallies.items():
            column = chunk.rows.frame[use.column]
            if use.inner:
                values, row_I = flatten(column, use.separator)
                wrong_R = np.bincount(row_I[as_numbers(values)[1]], minlength=len(column)) > 0
            else:
                wrong_R = (as_numbers(column) if use.needs == NUMBER else as_timestamps(column, use.zone))[1]
            tally.add(chunk.rows, use.column, wrong_R)
            bad_R |= wrong_R
        return bad_R

    def tell(self, findings: Findings) -> None:
        for use, tally in self._tallies.items():
            if tally.bad:
                self._faults.add(self._part, use)
                message = (
                    f"{use.owner} needs {use.single}, but column `{use.column}` holds {_OTHER[use.single]} in "
                    f"{tally.counted}; {tally.first}"
                )
                one = _NOUN[use.single]
                few = f"leave the cell of a missing {one} empty"
                helps = few if tally.bad < tally.seen / 2 else _INSTEAD[use.single]
                label = f"`{use.column}` is not a {one}"
                findings.add("E504", message, self._locate(use.key), label=label, help=helps)


_FEATURE = {
    "category": SINGLE_VALUE,
    "id": ID,
    "vectors": SINGLE_VALUE,
    "number": NUMBER,
    "value": NUMBER,
    "date": DATE,
}
_LABEL = {"as is": LABEL, "above": NUMBER, "equals": SINGLE_VALUE}
_PART = {"test": "test", "valid": "validation"}
_NOUN = {NUMBER: "number", DATE: "date"}
_OTHER = {NUMBER: "text", DATE: "something else"}
_INSTEAD = {
    NUMBER: "read it as a `category`, or as an `id` if it has very many values",
    DATE: "dates are ISO text (`2024-01-31 09:30`), or seconds since 1970",
}


def _needs(feature: FeaturePlan) -> tuple[str, str]:
    """What the column of a feature has to hold, and what its lists have to."""
    if feature.take:
        return TEXT_LIST if feature.separator else LIST, _FEATURE[feature.kind]
    return _FEATURE[feature.kind], ""


def _tell_missing(
    column: str, owners: Sequence[ColumnUse], named: Sequence[DataFile], findings: Findings, locate: Locate
) -> None:
    helps = [did_you_mean(column, named[0].schema) or f"its columns are {quoted(named[0].schema)}"]
    if len(owners) > 1:
        helps.append("used by " + ", ".join(use.owner for use in owners))
    message = f"no column `{column}` in {quoted((file.name for file in named), 3)}"
    findings.add("E503", message, locate(owners[0].key), label=f"{owners[0].owner} reads it", help=helps)


def _tell_type(use: ColumnUse, wrong: Sequence[DataFile], findings: Findings, locate: Locate) -> None:
    held = _holds(use, wrong[0].schema[use.column])
    files = quoted((file.name for file in wrong), 3)
    message = f"{use.owner} needs {use.needs}, but column `{use.column}` of {files} holds {held}"
    helps = _INSTEAD.get(use.needs, "")
    if held == "lists":
        helps = "several values in a cell are read by `list(of: ...)` or `sequence(of: ...)`"
    if held == "lists of lists":
        helps = "flatten them where the table is written"
    if use.needs == LIST and held == "single values":
        helps = 'for lists written as text say what separates their values: `separator: "|"`'
    if held in ("floats", "lists of floats"):
        helps = "store ids as integers or text: floats lose digits above 2^53, and two ids become one"
    findings.add("E504", message, locate(use.key), label=f"`{use.column}` holds {held}", help=helps)


def _holds(use: ColumnUse, dtype: pl.DataType) -> str:
    """What the column holds that does not fit, in words; empty where it fits."""
    if use.needs == ANYTHING:
        return ""
    if use.needs in (LIST, TEXT_LIST) and isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner
        assert isinstance(inner, pl.DataType)
        floats = use.inner == ID and inner.is_float()
        return "lists of lists" if inner.is_nested() else "lists of floats" if floats else ""
    if use.needs == LIST:
        return "single values"
    if dtype.is_nested():
        return "lists" if isinstance(dtype, pl.List | pl.Array) else "structs"
    if isinstance(dtype, pl.Binary | pl.Object):
        return "bytes" if isinstance(dtype, pl.Binary) else "objects"
    if use.needs == ID and dtype.is_float():
        return "floats"
    if use.needs in (NUMBER, LABEL, DATE) and isinstance(dtype, pl.Time):
        return "times of day"
    if use.needs == DATE and isinstance(dtype, pl.Boolean | pl.Duration):
        return "durations" if isinstance(dtype, pl.Duration) else "true and false"
    dated = dtype.is_temporal()
    number_feature = use.key.startswith("features.")
    return "dates" if dated and use.needs in (NUMBER, LABEL) and not number_feature else ""
