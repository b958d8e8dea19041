"""Types of columns as the rest of aesm reads them: extension types by their storage, times within the calendar."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import polars as pl
from polars.selectors import Selector, by_name

MOST_DIGITS = 38
"""Digits of the longest decimals that polars reads."""
_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_FIRST, _LAST = -719_162, 2_932_896
"""Days since 1970 of 0001-01-01 and 9999-12-31."""


@cache
def read_intervals() -> None:
    """Lets polars open files with columns of intervals (SQL's `INTERVAL`), which it refuses as a whole otherwise."""
    os.environ.setdefault("POLARS_IMPORT_INTERVAL_AS_STRUCT", "1")
    if reload := getattr(pl.Config, "reload_env_vars", None):
        reload()


def named(names: Any) -> Selector:
    """Selects columns by their names alone: to polars, `*` and `^p.*$` are patterns."""
    return by_name(list(names))


def too_wide(dtype: pl.DataType) -> bool:
    """Returns whether a type is one of decimals that are too long to be read."""
    return isinstance(dtype, pl.Decimal) and (dtype.precision or 0) > MOST_DIGITS


def storage_schema(schema: pl.Schema) -> pl.Schema:
    """Returns the columns with the types that `with_storage` gives them."""
    return pl.Schema({name: _storage(dtype) for name, dtype in schema.items()})


def with_storage(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the frame with the storage of extension types, and without times that no calendar has.

    Databases write `infinity` as the largest number that the type holds; it becomes a missing value, as do all times
    outside the years 1 to 9999.
    """
    # By name: polars calls a column without a name `column_0` otherwise.
    columns = {column.name: _stored(column.alias("")) for column in frame.get_columns()}
    return pl.DataFrame(columns) if columns else frame


def _storage(dtype: Any) -> Any:
    if _is_extension(dtype):
        return _storage(dtype.ext_storage())
    return pl.List(_storage(dtype.inner)) if isinstance(dtype, pl.List) else dtype


def _stored(column: pl.Series) -> pl.Series:
    dtype: Any = column.dtype
    if _is_extension(dtype):
        return _stored(column.ext.storage())
    if isinstance(dtype, pl.List) and _is_extension(dtype.inner):
        return _stored(column.list.eval(pl.element().ext.storage()))
    if isinstance(dtype, pl.List) and _is_moment(dtype.inner):
        return column.list.eval(pl.when(_in_calendar(pl.element().to_physical(), dtype.inner)).then(pl.element()))
    if not _is_moment(dtype):
        return column
    known = _in_calendar(column.to_physical(), dtype)
    return column if known.all() else column.set(~known.fill_null(True), None)


def _in_calendar(number: Any, dtype: Any) -> Any:
    """Whether the numbers that store dates or times lie in the years 1 to 9999."""
    unit = 1 if isinstance(dtype, pl.Date) else _DAY[dtype.time_unit]
    return number.is_between(max(_FIRST * unit, -(2**63)), min((_LAST + 1) * unit - 1, 2**63 - 1))


def _is_extension(dtype: Any) -> bool:
    return isinstance(dtype, pl.BaseExtension)


def _is_moment(dtype: Any) -> bool:
    return isinstance(dtype, pl.Date | pl.Datetime)
