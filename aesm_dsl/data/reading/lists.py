"""Lists of values: a column of lists, or of text with a separator -> flat values, and values -> slots.

Axes: R rows, I values of all rows in one flat array, S slots.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import nameless, written_text
from aesm_dsl.plan.plan import PAD

BRACKETS = r"(?s)^\s*\[[^\[\]]*\]\s*$"
"""Matches a list in brackets."""
NUMBERS = r"^[-+0-9.eE]+(?:\s+[-+0-9.eE]+)+$"
"""Matches the numbers of a list of numpy, between which there are only blanks."""
VALUE = r"""\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|[^,]+"""
"""Matches a value of a list in brackets: in quotes, or up to the next comma."""
NOTHING = ("", "None", "null", "NULL", "nan", "NaN", "<NA>")
"""Missing values of a list in brackets."""

Lists = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Whole = np.ndarray[tuple[int], np.dtype[np.int64]]


def flatten(column: pl.Series, separator: str) -> tuple[pl.Series, Whole]:
    """Returns the values of all lists in one flat series, and the row of each; a row without a list has none.

    Text is split at the separator, and spaces around a value are removed. Text in brackets, as pandas, DuckDB and
    ClickHouse write a list into a csv (`[17, 35]`, `['a', 'b']`, numpy's `[17 35]`), is that list. A cell that is
    neither a list nor text with a separator is a list of one value.
    """
    column = nameless(column)
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    if isinstance(column.dtype, pl.List):
        lists = column
    elif separator:
        lists = _split(written_text(column), separator)
    else:
        lists = column.to_frame().select(pl.concat_list(pl.all())).to_series()
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    # Without the empty lists: explode would make a null of each.
    values = lists.filter(pl.Series(lengths > 0)).explode()
    if isinstance(values.dtype, pl.String):
        values = values.str.strip_chars()
    return values, np.repeat(np.arange(len(column), dtype=np.int64), lengths)


def _split(text: pl.Series, separator: str) -> pl.Series:
    """The text of each cell as a list."""
    lists = text.str.split(separator)
    bracketed = text.str.contains(BRACKETS)
    if separator not in (",", " "):
        # `[a]` may be a value there.
        bracketed &= text.str.contains(",", literal=True) & ~text.str.contains(separator, literal=True)
    rows = pl.Series(np.flatnonzero(bracketed.fill_null(False).to_numpy()), dtype=pl.UInt32)
    if not len(rows):
        return lists
    inside = text.gather(rows).str.strip_chars().str.strip_prefix("[").str.strip_suffix("]")
    by_blanks = inside.str.strip_chars().str.contains(NUMBERS)
    values = inside.str.extract_all(VALUE).zip_with(~by_blanks, inside.str.extract_all(r"\S+"))
    plain = values.list.eval(_unquoted(pl.element()))
    ours = pl.DataFrame({"row": rows, "plain": plain})
    all_rows = pl.DataFrame({"row": pl.Series(range(len(text)), dtype=pl.UInt32), "list": lists})
    joined = all_rows.join(ours, on="row", how="left", maintain_order="left")
    return joined.select(pl.coalesce("plain", "list")).to_series()


def _unquoted(value: pl.Expr) -> pl.Expr:
    """A value of a list in brackets without its quotes; null for what writers put in place of a missing one."""
    plain = value.str.strip_chars()
    for quote in ('"', "'"):
        quoted = plain.str.contains(f"(?s)^{quote}.*{quote}$") & (plain.str.len_chars() > 1)
        without = plain.str.strip_prefix(quote).str.strip_suffix(quote).str.replace_all(f"\\\\{quote}", quote)
        plain = pl.when(quoted).then(without).otherwise(plain)
    return pl.when(plain.is_in(NOTHING)).then(None).otherwise(plain)


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
