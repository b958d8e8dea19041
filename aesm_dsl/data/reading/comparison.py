"""Cells compared with a value of the spec: exactly, whatever the type of their column.

A float64 keeps whole numbers apart only up to 2^53; ids, and times in nanoseconds, are larger.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import Mask, as_numbers, as_text, plain_numbers
from aesm_dsl.plan.number_form import NumberForm

EXACT = 2**53
"""Whole numbers up to this size are exact as float64."""
_LARGEST = 2**127 - 1

Value = int | float | str


def is_above(column: pl.Series, bound: int | float, form: NumberForm | None = None) -> Mask:
    """Returns the cells that are numbers greater than the bound; false for missing ones."""
    return _beyond(column, bound, form, or_equal=False)


def is_at_least(column: pl.Series, bound: int | float) -> Mask:
    """Returns the cells that are numbers not less than the bound; false for missing ones."""
    return _beyond(column, bound, None, or_equal=True)


def is_one_of(column: pl.Series, wanted: tuple[Value, ...]) -> Mask:
    """Returns the cells that are one of the wanted values; false for missing ones.

    A wanted number equals every cell that is this number or writes it: 5 is 5.0, "5" and "5.00". A wanted text equals
    a cell with the same text (`as_text`), and in a column of numbers the number that it writes.
    """
    texts = as_text(pl.Series([value if isinstance(value, str) else str(value) for value in wanted], dtype=pl.String))
    equal: Mask = as_text(column).is_in(texts.implode()).fill_null(False).to_numpy().copy()
    whole, values = whole_numbers(column), None
    for value in wanted:
        number = _number(value)
        if number is None or (isinstance(value, str) and not column.dtype.is_numeric()):
            continue
        if whole is not None and isinstance(number, int) and abs(number) >= EXACT:
            equal |= (whole == number).fill_null(False).to_numpy() if abs(number) < _LARGEST else False
            continue
        values = plain_numbers(column) if values is None else values
        equal |= values == number
    return equal


def inexact_ids(column: pl.Series) -> Mask:
    """Returns the cells that are floats without being the number of an id: fractions, and those that lose digits."""
    if not column.dtype.is_float():
        return np.zeros(len(column), dtype=np.bool_)
    most = 2.0**11 if column.dtype == pl.Float16 else 2.0**24 if column.dtype == pl.Float32 else 2.0**53
    values = column.cast(pl.Float64).to_numpy()
    wrong: Mask = ~np.isnan(values) & ((np.abs(values) >= most) | (values != np.round(values)))
    return wrong


def whole_numbers(column: pl.Series) -> pl.Series | None:
    """Returns the cells that are whole numbers or write one, as 128-bit integers, null for others.

    None for floats, dates and truth values, which have no other digits than their float64.
    """
    dtype = column.dtype
    if dtype.is_integer():
        return column.cast(pl.Int128, strict=False)
    if dtype.is_decimal() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return as_text(column).str.strip_chars().cast(pl.Int128, strict=False)
    return None


def _beyond(column: pl.Series, bound: int | float, form: NumberForm | None, *, or_equal: bool) -> Mask:
    values, _ = as_numbers(column, form)
    nearest = float(bound)
    inclusive = or_equal if nearest == bound else nearest > bound
    beyond: Mask = values >= nearest if inclusive else values > nearest
    whole = whole_numbers(column) if abs(bound) >= EXACT and form is None else None
    if whole is None or abs(bound) >= _LARGEST:
        return beyond
    least = math.ceil(bound) if or_equal else math.floor(bound) + 1
    exact = (whole >= least).to_numpy()
    return np.where(whole.is_null().to_numpy(), beyond, exact).astype(np.bool_)


def _number(value: Value) -> int | float | None:
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return None
