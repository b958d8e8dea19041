"""Dates that are written as text in a format of `strptime`."""

from __future__ import annotations

import polars as pl

from aesm_dsl.spec.date_format import MONTHS, pattern, width


def read_date_text(text: pl.Series, form: str, zone: str) -> pl.Series:
    """Returns the local timestamps; null for what is no date of the format. Those with an offset are put into `zone`.

    As with Python's `strptime`, what the format lacks is 1900-01-01 00:00:00, and two digits of a year from 69 are
    those of the last century.
    """
    if digits := width(form):
        text = text.str.zfill(digits)
    found = text.str.extract_groups(pattern(form)).struct.unnest()
    fields = found.with_columns(pl.all().str.to_lowercase())
    known = set(fields.columns)

    def number(sign: str, default: int) -> pl.Expr:
        return pl.col(sign).cast(pl.Int64) if sign in known else pl.lit(default, pl.Int64)

    short = number("y", 0)
    year = number("Y", 1900) if "y" not in known else pl.when(short >= 69).then(1900 + short).otherwise(2000 + short)
    named = next((sign for sign in ("b", "B") if sign in known), "")
    names = dict(zip(MONTHS, range(1, 13), strict=True))
    month = (
        pl.col(named).str.head(3).replace_strict(names, return_dtype=pl.Int64, default=None)
        if named
        else number("m", 1)
    )
    hour = number("H", 0)
    if "I" in known:
        hour = number("I", 0) % 12 + pl.when(pl.col("p") == "pm").then(12).otherwise(0)
    fraction = pl.col("f") if "f" in known else pl.lit("0")
    iso = pl.format(
        "{}-{}-{} {}:{}:{}.{}", year.cast(pl.String).str.zfill(4), month, number("d", 1), hour, number("M", 0),
        number("S", 0), fraction,
    )  # fmt: skip
    moments = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    if "j" in known:
        moments = moments + pl.duration(days=number("j", 1) - 1)
    first = pl.coalesce(pl.col(sign) for sign in fields.columns)
    moments = pl.when(first.is_null()).then(None).otherwise(moments)
    if "z" in known:
        moments = _moved(moments, zone)
    return fields.select(moments.alias(text.name)).to_series()


def _moved(moments: pl.Expr, zone: str) -> pl.Expr:
    """The timestamps in a zone, from local ones with an offset in `z`."""
    offset = pl.col("z")
    minutes = offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + offset.str.tail(2).cast(pl.Int64, strict=False)
    behind = pl.when(offset == "z").then(0).when(offset.str.head(1) == "-").then(-minutes).otherwise(minutes)
    utc = moments - pl.duration(minutes=behind)
    return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
