"""Dates and times of a column, and their parts. What counts as one stands in `as_timestamps`."""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import Mask, as_numbers, as_text

PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}
"""How many values each part of a date has."""

_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"


def as_timestamps(column: pl.Series, zone: str) -> tuple[pl.Series, Mask]:
    """Local datetimes, null where missing, and which cells are there but are no date (null as well).

    Dates, datetimes, ISO text ("2024-01-31", "2024-01-31 09:30", "2024-01-31T09:30:00.5+08:00") and seconds since
    1970-01-01 UTC, as numbers or text. Seconds and whatever has a zone or an offset are moved to `zone` (UTC without
    one); other dates and times are taken as they stand.
    """
    dtype, zone = column.dtype, zone or "UTC"
    if isinstance(dtype, pl.Date):
        return column.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if isinstance(dtype, pl.Datetime):
        local = column.dt.convert_time_zone(zone).dt.replace_time_zone(None) if dtype.time_zone else column
        return local.cast(pl.Datetime("us")), np.zeros(len(column), dtype=np.bool_)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return _read(as_text(column).str.strip_chars(), zone)
    return _seconds(as_numbers(column)[0], zone)


def part_ids(moments: pl.Series, part: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """0 where missing, else 1... the hour from 0, the weekday from Monday, the day and month from the first."""
    of = moments.dt
    found = {"hour": of.hour, "weekday": of.weekday, "day": of.day, "month": of.month}[part]().cast(pl.Int64)
    return (found + (part == "hour")).fill_null(0).to_numpy()


def _seconds(values: np.ndarray[tuple[int], np.dtype[np.float64]], zone: str) -> tuple[pl.Series, Mask]:
    """Datetimes of seconds; those beyond the year 9999 are none."""
    there = np.isfinite(values)
    known = there & (values > -62_135_596_800) & (values < 253_402_300_800)
    microseconds = np.where(known, values, 0.0) * 1e6
    moments = pl.Series(microseconds.astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    local = moments.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return local.set(pl.Series(~known), None), ~np.isnan(values) & ~known


def _read(text: pl.Series, zone: str) -> tuple[pl.Series, Mask]:
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
        moved = zoned.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        seconds, _ = _seconds(rest.cast(pl.Float64, strict=False).to_numpy(), zone)
        found = pl.select(pl.when(pl.lit(offset)).then(pl.lit(moved)).otherwise(pl.lit(seconds))).to_series()
        places = pl.Series(np.flatnonzero(left.to_numpy()), dtype=pl.UInt32)
        local = local.scatter(places, found)
    return local, (local.is_null() & text.is_not_null()).to_numpy()
