"""Dates and times of a column, and their parts. `as_timestamps` says which cells count as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.reading.date_text import read_date_text
from aesm_dsl.data.reading.values import Mask, as_numbers, nameless, written_text
from aesm_dsl.spec.date_format import SECONDS

PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}
"""How many values each part of a date has."""

_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, slots=True)
class DateForm:
    """How the dates of a column are written."""

    zone: str = ""
    """Time zone of the timestamps; empty for UTC."""
    format: str = ""
    """The format of text, in the signs of `strptime`; if empty, text is ISO text or a number."""
    digits: bool = True
    """Whether numbers of eight digits can be dates; else all numbers are seconds."""


def as_timestamps(column: pl.Series, form: DateForm) -> tuple[pl.Series, Mask]:
    """Reads the cells as local timestamps.

    A cell is a date, a datetime, or text or a number in the form's format. Without a format it is ISO text
    ("2024-01-31", "2024-01-31 09:30", "2024-01-31T09:30:00.5+08:00"), or a number, also as text:
      20241021   eight digits from 19000101 to 20991231: year, month and day
      14102109   eight digits from 10... to 39..., but 19... and 20...: year of the century, month, day and hour
      others     seconds since 1970-01-01 UTC
    Seconds and cells with a zone or an offset are converted to the form's zone; other dates and times are taken as they
    are.

    Returns:
        The timestamps, null if a cell is missing or wrong, and which cells are there but are no timestamp.
    """
    column = nameless(column)
    dtype, zone = column.dtype, form.zone or "UTC"
    if isinstance(dtype, pl.Date):
        return column.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if isinstance(dtype, pl.Datetime):
        local = column.dt.convert_time_zone(zone).dt.replace_time_zone(None) if dtype.time_zone else column
        return local.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if form.format == SECONDS:
        values, wrong = as_numbers(column)
        timestamps, bad = _from_numbers(values, DateForm(zone, digits=False))
        return timestamps, bad | wrong
    if form.format:
        text = written_text(column)
        timestamps = read_date_text(text, form.format, zone)
        return timestamps, (timestamps.is_null() & text.is_not_null()).to_numpy()
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return _from_text(written_text(column), form)
    return _from_numbers(as_numbers(column)[0], form)


def part_ids(timestamps: pl.Series, part: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the id of one part ("hour", "weekday", "day" or "month") of each timestamp.

    0 means missing. The ids from 1 stand for the hours from 0, the weekdays from Monday, the days and months from 1.
    """
    of = timestamps.dt
    values = {"hour": of.hour, "weekday": of.weekday, "day": of.day, "month": of.month}[part]().cast(pl.Int64)
    return (values + (part == "hour")).fill_null(0).to_numpy()


def _from_numbers(values: np.ndarray[tuple[int], np.dtype[np.float64]], form: DateForm) -> tuple[pl.Series, Mask]:
    """Timestamps from eight digits, or else from seconds; none for those outside the years 1 to 9999."""
    finite = np.isfinite(values)
    valid = finite & (values > -62_135_596_800) & (values < 253_402_300_800)
    microseconds = np.where(valid, values, 0.0) * 1e6
    timestamps = pl.Series(microseconds.astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    local = timestamps.dt.convert_time_zone(form.zone or "UTC").dt.replace_time_zone(None)
    local = local.set(pl.Series(~valid), None)
    whole = valid & (values >= 1e7) & (values < 4e7) & (values == np.floor(values))
    if form.digits and whole.any():
        dated = whole & (values // 1e6 >= 19) & (values // 1e6 < 21)
        for chosen, format in ((dated, "%Y%m%d"), (whole & ~dated, "%y%m%d%H")):
            if chosen.any():
                rows = pl.Series(np.flatnonzero(chosen), dtype=pl.UInt32)
                text = pl.Series(values[chosen].astype(np.int64)).cast(pl.String)
                local = local.scatter(rows, read_date_text(text, format, "UTC"))
    return local, ~np.isnan(values) & local.is_null().to_numpy()


def _from_text(text: pl.Series, form: DateForm) -> tuple[pl.Series, Mask]:
    plain = text.str.replace("T", " ", literal=True).str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1} 00:00:00")
    plain = plain.str.replace(r"^(\d{4}-\d\d-\d\d \d\d:\d\d)($|Z|[+-])", "${1}:00${2}")
    local = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    left = local.is_null() & text.is_not_null()
    if left.any():
        rest = plain.filter(left)
        offset = rest.str.contains(_OFFSET)
        zoned = rest.str.replace("Z$", "+00:00").str.to_datetime(
            "%Y-%m-%d %H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC"
        )
        converted = zoned.dt.convert_time_zone(form.zone or "UTC").dt.replace_time_zone(None)
        numbers, _ = _from_numbers(rest.cast(pl.Float64, strict=False).to_numpy(), form)
        values = pl.select(pl.when(pl.lit(offset)).then(pl.lit(converted)).otherwise(pl.lit(numbers))).to_series()
        rows = pl.Series(np.flatnonzero(left.to_numpy()), dtype=pl.UInt32)
        local = local.scatter(rows, values)
    return local, (local.is_null() & text.is_not_null()).to_numpy()
