"""Finds rows of a csv that have too few cells: a reader would fill them with missing values, wherever they were cut."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import polars as pl

from aesm_dsl.data.reading.file_type import first_bytes

SHOWN = 60
"""Characters of a row that the finding shows."""

LONGEST_CELL = 2**31 - 1
"""Bytes of a cell; no system has memory for many that are longer."""


def too_few_cells(path: Path, lazy: pl.LazyFrame, separator: str, quote: str | None) -> str:
    """Says in words how many rows lack cells, and which is the first.

    Such a row has no last cell. So Python's slow csv reader looks at the rows only if a last cell is missing.

    Args:
        path: a plain csv file, which may be compressed.
        lazy: its rows, as if nothing was wrong with it.
        separator: what separates cells.
        quote: what stands around cells; None if nothing does.

    Returns:
        The text; empty if no row lacks cells, or the file cannot be read.
    """
    try:
        if (
            len(lazy.collect_schema()) == 1
            or not lazy.select(pl.last().null_count()).collect(engine="streaming").item()
        ):
            return ""
        short, first = 0, ""
        csv.field_size_limit(LONGEST_CELL)  # Python's own, 128 KiB, would end the search
        opened = gzip.open if first_bytes(path).startswith(b"\x1f\x8b") else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(
                file, delimiter=separator, quotechar=quote, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
            )
            width = len(next(rows))
            for number, row in enumerate(rows, 1):
                if len(row) < width:
                    text = separator.join(row)
                    shown = f"`{text[:SHOWN]}{'...' if len(text) > SHOWN else ''}`" if text else "nothing"
                    short, first = short + 1, first or f"row {number}: {shown}"
    except (pl.exceptions.PolarsError, OSError, ValueError, StopIteration, csv.Error):
        return ""  # reported when the file is read
    if not short:
        return ""
    return f"{short:,} {'row has' if short == 1 else 'rows have'} fewer cells than the header; the first is {first}"
