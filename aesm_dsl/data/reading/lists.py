"""Lists of values: a column of lists, or of text with a separator -> flat values, and values -> slots.

Axes: R rows, I values of all rows one behind the other, S slots.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import as_text
from aesm_dsl.plan.plan import PAD

Lists = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def flatten(column: pl.Series, separator: str) -> tuple[pl.Series, Whole]:
    """All values one behind the other, and the row of each; nothing for rows without a list.

    Text is cut at the separator, spaces around a value left out. What is neither a list nor text with a separator is a
    list of one value.
    """
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if isinstance(column.dtype, pl.List):
        lists = column
    elif separator:
        lists = as_text(column).str.split(separator)
    else:
        lists = column.to_frame().select(pl.concat_list(pl.all())).to_series()
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    values = lists.filter(pl.Series(lengths > 0)).explode()
    if isinstance(values.dtype, pl.String):
        values = values.str.strip_chars()
    return values, np.repeat(np.arange(len(column), dtype=np.int64), lengths)


def fill_slots(ids_I: Whole, row_I: Whole, rows: int, count: int, last: bool) -> Lists:
    """ids_RS: of each row its first `count` ids, or its last ones from the newest on; PAD behind them."""
    number_R = np.bincount(row_I, minlength=rows)
    place_I = np.arange(len(row_I)) - (np.cumsum(number_R) - number_R)[row_I]
    if last:
        place_I = number_R[row_I] - 1 - place_I
    kept = place_I < count
    ids_RS = np.full((rows, count), PAD, dtype=np.int64)
    ids_RS[row_I[kept], place_I[kept]] = ids_I[kept]
    return ids_RS
