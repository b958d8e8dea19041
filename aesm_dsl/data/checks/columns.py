"""Checks that the tables have the columns that the plan uses, and that these have fitting types.

Findings: E503 (column missing) and E504 (wrong type). Uses that fail are remembered in `FailedUses`, so that no later
check reports the same problem again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from aesm_dsl.data.checks.column_uses import (
    ANYTHING,
    DATE,
    ID,
    LABEL,
    LIST,
    NUMBER,
    TEXT_LIST,
    ColumnUse,
    FailedUses,
)
from aesm_dsl.data.checks.date_digits import digits_help
from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows
from aesm_dsl.data.reading.comparison import inexact_ids
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.storage_types import MOST_DIGITS, too_wide
from aesm_dsl.data.reading.timestamps import as_timestamps
from aesm_dsl.data.reading.values import MISSING_WORDS, Mask, as_numbers, null_option
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.date_format import SECONDS

Locate = Callable[[str], Span | None]
"""Dotted path of a setting (such as "level.card.column") -> its place in the spec, None if it is unknown."""


def check_columns(
    tables: Mapping[str, tuple[Sequence[DataFile], Sequence[ColumnUse]]],
    findings: Findings,
    locate: Locate,
    failed: FailedUses,
) -> None:
    """Adds one E503 for each missing column, with all files without it, and at most one E504 for each use.

    Args:
        tables: part ("train", "valid", "test") -> its files, and what their columns are used for.
        findings: takes the errors.
        locate: finds the place of a setting in the spec.
        failed: takes the uses that fail.
    """
    missing: dict[str, tuple[list[ColumnUse], list[DataFile]]] = {}
    described = {
        part: ([one for file in files for one in file.described], wanted) for part, (files, wanted) in tables.items()
    }
    for part, (files, wanted) in described.items():
        for use in wanted:
            without = [file for file in files if use.column not in file.schema]
            if without and not use.optional:
                failed.add(part, use)
                owners, files_without = missing.setdefault(use.column, ([], []))
                owners.extend([use] if use not in owners else [])
                files_without.extend(file for file in without if file not in files_without)
    for column, (owners, files_without) in missing.items():
        others = {use.column for _, wanted in tables.values() for use in wanted} - {column}
        _report_missing(column, owners, (files_without, others), findings, locate)
    reported: set[str] = set()
    for part, (files, wanted) in described.items():
        for use in wanted:
            wrong = [file for file in files if use.column in file.schema and _misfit(use, file.schema[use.column])]
            if wrong:
                failed.add(part, use)
            if wrong and use.key not in reported:
                reported.add(use.key)
                _report_type(use, wrong, findings, locate)


class NumberCheck:
    """Reports cells that have to be numbers, dates or ids but are not (E504): how many, and the first.

    Row weights are left to `TargetReader`.
    """

    def __init__(self, part: str, wanted: Sequence[ColumnUse], locate: Locate, failed: FailedUses) -> None:
        self._part, self._locate, self._failed = part, locate, failed
        numbers = [use for use in wanted if use.single in _NOUN and use.key != "data.weight"]
        self._bad_rows = {use: BadRows() for use in numbers if not failed.has(part, use.key)}

    def update(self, chunk: CheckedRows) -> Mask:
        """Returns bad_R: the rows of the chunk that have such a cell."""
        bad_R = np.zeros(len(chunk), dtype=np.bool_)
        for use, bad_rows in self._bad_rows.items():
            column = chunk.rows.frame[use.column]
            if use.inner:
                values, row_I = flatten(column, use.separator)
                wrong_I = _wrong(values, use, use.inner)
                wrong_R = np.bincount(row_I[wrong_I], minlength=len(column)) > 0
            else:
                wrong_R = _wrong(column, use, use.needs)
            bad_rows.add(chunk.rows, use.column, wrong_R)
            bad_R |= wrong_R
        return bad_R

    def report(self, findings: Findings) -> None:
        """Adds one E504 for each column with such cells, once all rows are read."""
        for use, bad_rows in self._bad_rows.items():
            if bad_rows.bad:
                self._failed.add(self._part, use)
                message = (
                    f"{use.owner} needs {use.single}, but column `{use.column}` holds {_OTHER[use.single]} in "
                    f"{bad_rows.count_text}; {bad_rows.first_text}"
                )
                noun = _NOUN[use.single]
                few = f"leave the cell of a missing {noun} empty"
                helps = few if bad_rows.bad < bad_rows.checked / 2 and use.single != ID else _INSTEAD[use.single]
                if use.single == DATE and use.date_form.format in ("", SECONDS):
                    helps = digits_help(bad_rows.value) or helps
                if isinstance(bad_rows.value, str) and bad_rows.value in MISSING_WORDS:
                    helps = null_option([bad_rows.value])
                label = f"`{use.column}` is not a {noun}"
                findings.add("E504", message, self._locate(use.key), label=label, help=helps)


def _wrong(cells: pl.Series, use: ColumnUse, needs: str) -> Mask:
    """The cells that are not what is needed: ids, numbers or dates."""
    if needs == ID:
        return inexact_ids(cells)
    return as_numbers(cells, use.number_form)[1] if needs == NUMBER else as_timestamps(cells, use.date_form)[1]


_NOUN = {NUMBER: "number", DATE: "date", ID: "whole number below 2^53"}
_OTHER = {NUMBER: "text", DATE: "something else", ID: "floats that are none"}
_INSTEAD = {
    ID: "store ids as integers or text: floats lose digits above 2^53, and two ids become one",
    NUMBER: 'read it as a `category`, or say how its numbers are written: `number(decimal: ",", strip: "€")`',
    DATE: 'dates are ISO text, eight digits or seconds since 1970; others need `date(format: "%d/%m/%Y")`',
}


def _report_missing(
    column: str,
    owners: Sequence[ColumnUse],
    where: tuple[Sequence[DataFile], set[str]],
    findings: Findings,
    locate: Locate,
) -> None:
    files, others = where
    # A column that something else reads is hardly the one that was meant.
    free = [name for name in files[0].schema if name not in others]
    helps = [
        did_you_mean(column, free)
        or did_you_mean(column, files[0].schema)
        or f"its columns are {quoted(files[0].schema)}"
    ]
    if len(owners) > 1:
        helps.append("used by " + ", ".join(use.owner for use in owners))
    message = f"no column `{column}` in {quoted((file.name for file in files), 3)}"
    findings.add("E503", message, locate(owners[0].key), label=f"{owners[0].owner} reads it", help=helps)


def _report_type(use: ColumnUse, wrong: Sequence[DataFile], findings: Findings, locate: Locate) -> None:
    held = _misfit(use, wrong[0].schema[use.column])
    files = quoted((file.name for file in wrong), 3)
    message = f"{use.owner} needs {use.needs}, but column `{use.column}` of {files} holds {held}"
    helps = _INSTEAD.get(use.needs, "")
    if held == "lists":
        helps = "several values in a cell are read by `list(of: ...)` or `sequence(of: ...)`"
    if held in ("maps", "structs", "lists of structs"):
        helps = "write its parts to columns of their own: a list of the keys, a column for each field"
    if held == "lists of lists":
        helps = "flatten them where the table is written"
    if use.needs == LIST and held == "single values":
        helps = 'for lists written as text say what separates their values: `separator: "|"`'
    if held.startswith("decimals"):
        helps = f"decimals of at most {MOST_DIGITS} digits are read; store it as floats or text"
    findings.add("E504", message, locate(use.key), label=f"`{use.column}` holds {held}", help=helps)


def _misfit(use: ColumnUse, dtype: pl.DataType) -> str:
    """What the column holds that does not fit the use, in words; empty if it fits."""
    if too_wide(dtype):
        return f"decimals of {dtype.precision} digits"  # type: ignore[attr-defined]
    if use.needs == ANYTHING or isinstance(dtype, pl.Null):
        return ""
    if use.needs in (LIST, TEXT_LIST) and isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner
        assert isinstance(inner, pl.DataType)
        if isinstance(inner, pl.Struct):
            return "maps" if [part.name for part in inner.fields] == ["key", "value"] else "lists of structs"
        return "lists of lists" if inner.is_nested() else ""
    if use.needs == LIST:
        return "structs" if isinstance(dtype, pl.Struct) else "single values"
    if dtype.is_nested():
        return "structs" if isinstance(dtype, pl.Struct) else _misfit(replace(use, needs=LIST), dtype) or "lists"
    if isinstance(dtype, pl.Binary | pl.Object):
        return "bytes" if isinstance(dtype, pl.Binary) else "objects"
    if use.needs in (NUMBER, LABEL, DATE) and isinstance(dtype, pl.Time):
        return "times of day"
    if use.needs == DATE and isinstance(dtype, pl.Boolean | pl.Duration):
        return "durations" if isinstance(dtype, pl.Duration) else "true and false"
    dated = dtype.is_temporal()
    number_feature = use.key.startswith("features.")
    return "dates" if dated and use.needs in (NUMBER, LABEL) and not number_feature else ""
