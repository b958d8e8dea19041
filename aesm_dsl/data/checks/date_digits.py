"""Numbers that are dates of another kind than seconds since 1970: milliseconds, or digits of a year, month and day."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from aesm_dsl.data.reading.values import as_text

_DAY = "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
DIGITS = {
    "%Y%m%d%H": f"^{_DAY}{_HOUR}$",
    "%Y%m%d%H%M": f"^{_DAY}{_HOUR}{_SIXTY}$",
    "%Y%m%d%H%M%S": f"^{_DAY}{_HOUR}{_SIXTY}{_SIXTY}$",
}
"""Formats of dates in digits alone -> a pattern of the numbers that are such dates, from 1900 to 2099."""

_UNITS = {13: ("milliseconds", "1,000"), 16: ("microseconds", "1,000,000"), 19: ("nanoseconds", "1,000,000,000")}
"""Digits of a time of today since 1970 -> its unit, and how many of them are a second."""


def digits_format(column: pl.Series) -> str:
    """Returns the format of DIGITS in which all cells are written that are not missing; empty if there is none."""
    if column.dtype.is_temporal() or column.dtype == pl.Boolean:
        return ""
    text = as_text(column).drop_nulls()
    return next((form for form, pattern in DIGITS.items() if len(text) and text.str.contains(pattern).all()), "")


def digits_help(cell: Any) -> str:
    """Returns a line of help for a number that is too large for seconds since 1970; empty for any other cell."""
    text = as_text(pl.Series([cell], strict=False))[0] if isinstance(cell, str | int | float) else None
    if text is None or not re.fullmatch("-?[0-9]+", text):
        return ""
    for form, pattern in DIGITS.items():
        if re.search(pattern, text):
            return f'this may be year, month, day and time in digits: `date(format: "{form}")`'
    if unit := _UNITS.get(len(text.lstrip("-"))):
        return f"these may be {unit[0]} since 1970: divide them by {unit[1]}, or store timestamps"
    return ""
