"""Lists of values: a column of lists, or of text with a separator -> flat values, and values -> slots.

Axes: R rows, I values of all rows in one flat array, S slots.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import written_text
from aesm_dsl.plan.plan import PAD

Lists = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def flatten(column: pl.Series, separator: str) -> tuple[pl.Series, Whole]:
    """Returns the values of all lists in one flat series, and the row of each; a row without a list has none.

    Text is split at the separator, and spaces around a value are removed. A cell that is neither a list nor text with
    a separator is a list of one value.
    """
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if isinstance(column.dtype, pl.List):
        lists = column
    elif separator:
        lists = written_text(column).str.split(separator)
    else:
        lists = column.to_frame().select(pl.concat_list(pl.all())).to_series()
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    # Without the empty lists: explode would make a null of each.
    values = lists.filter(pl.Series(lengths > 0)).explode()
    if isinstance(values.dtype, pl.String):
        values = values.str.strip_chars()
    return values, np.repeat(np.arange(len(column), dtype=np.int64), lengths)


def fill_slots(ids_I: Whole, row_I: Whole, rows: int, count: int, last: bool) -> Lists:
    """Returns ids_RS: the first `count` ids of each row, padded with PAD.

    Args:
        ids_I: ids of all rows.
        row_I: the row of each id, ascending.
        rows: the number of rows, R.
        count: the number of slots, S.
        last: take the last ids instead, the newest (the last) in the first slot.
    """
    number_R = np.bincount(row_I, minlength=rows)
    slot_I = np.arange(len(row_I)) - (np.cumsum(number_R) - number_R)[row_I]
    if last:
        slot_I = number_R[row_I] - 1 - slot_I
    fits = slot_I < count
    ids_RS = np.full((rows, count), PAD, dtype=np.int64)
    ids_RS[row_I[fits], slot_I[fits]] = ids_I[fits]
    return ids_RS
