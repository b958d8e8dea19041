"""A column as text or as numbers: the only place that decides when two cells mean the same.

Training and serving tables differ in their types (an integer column becomes floats once a value is missing, a csv has
no types at all), so cells are compared by their meaning, never by the type of their column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.reading.number_text import read_number_text
from aesm_dsl.plan.cell_text import MISSING, OFFSETS, SPELLINGS, SPELT, ZONED
from aesm_dsl.plan.number_form import NumberForm

MISSING_WORDS = (r"\N", "NULL", "null", "None", "<NA>", "nan", "N/A", "#N/A")
"""Texts that writers of csv files put for a missing value. They are values here, unless the spec says otherwise."""

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def as_text(column: pl.Series) -> pl.Series:
    """Returns the cells as text; null, NaN (as text too) and the empty text count as missing and become null.

    Whole floats are written as integers ("1", not "1.0"), decimals without trailing zeros after the point, booleans as
    "true" and "false", dates as "2017-04-01", and datetimes (in UTC if they have a zone) as "2017-04-01 12:30:00", or
    as the date alone at midnight, since many writers store dates as datetimes. Text that writes one of these in another
    way is replaced by the same form (`plan.cell_text`). The series has no name.
    """
    column, dtype = nameless(column), column.dtype
    if dtype.is_float():
        return _float_text(column)
    if dtype.is_decimal():
        return column.cast(pl.String).str.replace(r"\.0*$", "").str.replace(r"(\.\d*[1-9])0+$", "$1")
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return _one_spelling(utc.dt.strftime("%Y-%m-%d %H:%M:%S%.f"))
    if isinstance(dtype, pl.Duration):
        return _float_text(column.dt.total_microseconds() / 86_400e6)
    return _one_spelling(as_written(column)) if _is_text(dtype) else column.cast(pl.String)


def nameless(column: pl.Series) -> pl.Series:
    """Returns the column without its name: polars fails at a series whose name it takes for a pattern (`^p.*$`)."""
    return column.alias("")


def as_written(column: pl.Series) -> pl.Series:
    """Returns the cells of a column of text as they are written; null, NaN and the empty text become null."""
    text = nameless(column).cast(pl.String)
    return text.set(text.is_in(MISSING), None)


def null_option(words: Sequence[str]) -> str:
    """Returns a line of help: how a spec says that these texts are missing values of its csv files."""
    listed = ", ".join('"' + word.replace("\\", "\\\\") + '"' for word in words)
    return f"in a csv, `format = csv(null: [{listed}])` in `data` makes them missing values; elsewhere write nulls"


def written_text(column: pl.Series) -> pl.Series:
    """Returns text as it is written, without the spaces around it, and other cells as `as_text` does.

    It is for readers of a form of their own, in which "10.00" may be a time and "1.000" a thousand.
    """
    if not _is_text(column.dtype):
        return as_text(column)
    text = as_written(column).str.strip_chars()
    return text.set(text == "", None)


def is_missing(column: pl.Series) -> Mask:
    """Returns the cells that are null in `as_text`, without writing out the others."""
    column = nameless(column)
    null = column.is_null()
    if column.dtype.is_float():
        null |= column.is_nan().fill_null(False)
    elif _is_text(column.dtype):
        null |= column.cast(pl.String).is_in(MISSING).fill_null(False)
    missing: Mask = null.to_numpy()
    return missing


def as_numbers(column: pl.Series, form: NumberForm | None = None) -> tuple[Numbers, Mask]:
    """Reads the cells as numbers.

    Booleans count as 0 and 1; dates, datetimes and durations as days (dates since 1970-01-01, in UTC if they have a
    zone). Text counts as what it writes: a number, "true" or "false" in any case, an ISO date or datetime. With a form,
    text has to be a number of that form.

    Returns:
        float64, NaN if a cell is missing or wrong, and which cells are there but are no numbers.
    """
    column, dtype = nameless(column), column.dtype
    if form is not None and _is_text(dtype):
        text = written_text(column)
        read = read_number_text(text, form)
        return _floats(read) / (100 if form.percent else 1), (read.is_null() & text.is_not_null()).to_numpy()
    if form is not None and form.percent:
        values, bad = as_numbers(column)
        return values / 100, bad
    if _is_text(dtype):
        return _numbers_of_text(as_text(column))
    if isinstance(dtype, pl.Datetime | pl.Duration):
        units = {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit]
        days = column.to_physical().cast(pl.Float64) / (86_400 * units)
        return _floats(days), np.zeros(len(column), dtype=np.bool_)
    plain = column.to_physical() if dtype == pl.Date else column
    return _floats(plain.cast(pl.Float64)), np.zeros(len(column), dtype=np.bool_)


def plain_numbers(column: pl.Series) -> Numbers:
    """Returns the cells that are numbers or write one; NaN for others, also for dates, which `as_numbers` counts."""
    if column.dtype.is_temporal():
        return np.full(len(column), np.nan)
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return as_numbers(column)[0]
    return _floats(written_text(column).cast(pl.Float64, strict=False))


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _one_spelling(text: pl.Series) -> pl.Series:
    """The texts by the rule of `plan.cell_text.cell_text`."""
    if not text.str.contains(SPELT).any():
        return text
    zoned = text.str.contains(ZONED).fill_null(False)
    if zoned.any():
        written = text.filter(zoned)
        times = written.str.replace("T", " ", literal=True)
        for pattern, put in OFFSETS:
            times = times.str.replace(pattern, put)
        utc = times.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")
        there = utc.dt.year().is_between(1, 9999).fill_null(False)
        texts = utc.dt.strftime("%Y-%m-%d %H:%M:%S%.f").zip_with(there, written)
        text = text.scatter(pl.Series(np.flatnonzero(zoned.to_numpy()), dtype=pl.UInt32), texts)
    for pattern, put in SPELLINGS:
        text = text.str.replace(pattern, put)
    return text


def _float_text(column: pl.Series) -> pl.Series:
    column = column.fill_nan(None)
    whole = column.is_finite() & (column == column.round()) & (column.abs() < 2.0**63)
    integers = column.cast(pl.Int64, strict=False).cast(pl.String)
    chosen = pl.when(pl.lit(whole)).then(pl.lit(integers)).otherwise(pl.lit(column.cast(pl.String)))
    return pl.select(chosen.alias(column.name)).to_series()


def _numbers_of_text(text: pl.Series) -> tuple[Numbers, Mask]:
    text = text.str.strip_chars()
    values = _floats(text.cast(pl.Float64, strict=False))
    bad = (text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()).to_numpy().copy()
    if bad.any():
        rest = text.filter(pl.Series(bad))
        timestamps = rest.str.replace("T", " ").str.replace(r"^\d{4}-\d\d-\d\d$", "${0} 00:00:00")
        days = timestamps.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us").to_physical()
        words = rest.str.to_lowercase()
        read = pl.select(
            pl.when(pl.lit(words) == "true")
            .then(1.0)
            .when(pl.lit(words) == "false")
            .then(0.0)
            .otherwise(pl.lit(days.cast(pl.Float64) / 86_400e6))
        ).to_series()
        values[bad] = _floats(read)
        bad[bad] = read.is_null().to_numpy()
    return values, bad


def _floats(column: pl.Series) -> Numbers:
    """A copy that may be written to, NaN for null."""
    return np.array(column.cast(pl.Float64).to_numpy(), dtype=np.float64)
