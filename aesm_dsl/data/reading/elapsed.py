"""The time from a value of a list to the time of its row.

Axes: R rows, I values of all rows in one flat array.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.timestamps import DateForm, as_timestamps
from aesm_dsl.data.reading.values import Numbers, as_numbers
from aesm_dsl.plan.features import ELAPSED_ROWS

Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def elapsed_seconds(values: pl.Series, row_I: Whole, own: pl.Series | None, format: str) -> Numbers:
    """Returns the seconds, negative if a value is later than its row, NaN if one of both times is missing or wrong.

    Args:
        values: dates and times, or the seconds themselves.
        row_I: the row of each value.
        own: the time of each row; None if the values are seconds.
        format: how times are written as text.
    """
    if own is None:
        return as_numbers(values)[0]
    form = DateForm(format=format)
    then_I, now_R = as_timestamps(values, form)[0], as_timestamps(own, form)[0]
    gap = now_R.gather(pl.Series(row_I, dtype=pl.UInt32)) - then_I
    return np.array(gap.dt.total_microseconds().cast(pl.Float64).to_numpy(), dtype=np.float64) / 1e6


def bucket_of_seconds(seconds_I: Numbers) -> Whole:
    """Returns the row of each value in a table of elapsed times: 0 missing, 1 less than a second or later than the row,
    then k + 1 from 2^(k-1) to 2^k seconds."""
    known_I = np.isfinite(seconds_I)
    whole_I = np.where(known_I, seconds_I, 0.0).clip(0, 2.0 ** (ELAPSED_ROWS - 2))
    # The exponent of a float is the length of its whole part in bits.
    bits_I = np.frexp(np.floor(whole_I))[1].astype(np.int64)
    return np.where(known_I, np.minimum(bits_I + 1, ELAPSED_ROWS - 1), 0)
