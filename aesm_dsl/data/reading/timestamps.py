"""Dates and times of a column, and their parts. `as_timestamps` says which cells count as one."""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import Mask, as_numbers, as_text

PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}
"""How many values each part of a date has."""

_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"


def as_timestamps(column: pl.Series, zone: str) -> tuple[pl.Series, Mask]:
    """Reads the cells as local timestamps.

    A cell is a date, a datetime, ISO text ("2024-01-31", "2024-01-31 09:30", "2024-01-31T09:30:00.5+08:00") or the
    seconds since 1970-01-01 UTC, as a number or text. Seconds and cells with a zone or an offset are converted to
    `zone` (UTC if it is empty); other dates and times are taken as they are.

    Returns:
        The timestamps, null if a cell is missing or wrong, and which cells are there but are no timestamp.
    """
    dtype, zone = column.dtype, zone or "UTC"
    if isinstance(dtype, pl.Date):
        return column.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if isinstance(dtype, pl.Datetime):
        local = column.dt.convert_time_zone(zone).dt.replace_time_zone(None) if dtype.time_zone else column
        return local.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return _from_text(as_text(column).str.strip_chars(), zone)
    return _from_seconds(as_numbers(column)[0], zone)


def part_ids(timestamps: pl.Series, part: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Returns the id of one part ("hour", "weekday", "day" or "month") of each timestamp.

    0 means missing. The ids from 1 stand for the hours from 0, the weekdays from Monday, the days and months from 1.
    """
    of = timestamps.dt
    values = {"hour": of.hour, "weekday": of.weekday, "day": of.day, "month": of.month}[part]().cast(pl.Int64)
    return (values + (part == "hour")).fill_null(0).to_numpy()


def _from_seconds(values: np.ndarray[tuple[int], np.dtype[np.float64]], zone: str) -> tuple[pl.Series, Mask]:
    """Timestamps from seconds; none for those outside the years 1 to 9999."""
    finite = np.isfinite(values)
    valid = finite & (values > -62_135_596_800) & (values < 253_402_300_800)
    microseconds = np.where(valid, values, 0.0) * 1e6
    timestamps = pl.Series(microseconds.astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    local = timestamps.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return local.set(pl.Series(~valid), None), ~np.isnan(values) & ~valid


def _from_text(text: pl.Series, zone: str) -> tuple[pl.Series, Mask]:
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
        converted = zoned.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        seconds, _ = _from_seconds(rest.cast(pl.Float64, strict=False).to_numpy(), zone)
        values = pl.select(pl.when(pl.lit(offset)).then(pl.lit(converted)).otherwise(pl.lit(seconds))).to_series()
        rows = pl.Series(np.flatnonzero(left.to_numpy()), dtype=pl.UInt32)
        local = local.scatter(rows, values)
    return local, (local.is_null() & text.is_not_null()).to_numpy()
