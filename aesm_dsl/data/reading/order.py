"""The order of a column's cells: as numbers, or as dates. Text that is neither has no order.

Characters are no order of days: "31/01/2024" comes after "01/02/2024", and "9" after "10".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.reading.timestamps import DateForm, as_timestamps
from aesm_dsl.data.reading.values import Mask, as_text, is_missing, plain_numbers, written_text


@dataclass(frozen=True, slots=True)
class Order:
    """A column's cells as numbers and as dates. R rows."""

    number_R: pl.Series
    """Float64; null if missing or no number."""
    date_R: pl.Series
    """Microseconds since 1970, Int64; null if missing or no date."""
    no_number_R: Mask
    """The cells that are there but are no number; what is written as a date is none."""
    no_date_R: Mask
    """The cells that are there but are no date."""
    dated: bool
    """Whether any cell is written as a date, not as a number that may be one."""


def read_order(column: pl.Series, format: str) -> Order:
    """Returns the order of a column; with a format of `strptime`, all its text has to be dates of that format."""
    timestamps, no_date_R = as_timestamps(column, DateForm(format=format))
    missing_R, number_R = is_missing(column), plain_numbers(column)
    if isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        missing_R = missing_R | written_text(column).is_null().to_numpy()
    if format:
        number_R = np.full(len(column), np.nan)
    no_number_R = np.isnan(number_R) & ~missing_R
    return Order(
        pl.Series(number_R, dtype=pl.Float64).fill_nan(None),
        timestamps.to_physical(),
        no_number_R,
        no_date_R & ~missing_R,
        bool((no_number_R & ~no_date_R).any()),
    )


def date_of(value: str | float, format: str) -> int | None:
    """Returns a date in microseconds since 1970; None if the value is none.

    A number is a date only if it has eight digits: as seconds, any number would be one.
    """
    cell = as_text(pl.Series([value]))
    for form in (format, ""):
        order = read_order(cell, form if isinstance(value, str) else "")
        seconds = not order.no_number_R[0] and len(str(cell[0])) != 8
        if order.date_R[0] is not None and not (seconds and not form):
            return int(order.date_R[0])
    return None
