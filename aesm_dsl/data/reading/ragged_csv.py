"""Rows of a csv that have too few cells: a reader would fill them up with missing values, wherever they were cut."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl

SHOWN = 60
"""Characters of a row that are shown."""


def too_few_cells(path: Path, scan: Callable[[Path], pl.LazyFrame], separator: str) -> str:
    """How many rows lack cells, and the first, in words; empty where none does, or the file cannot be read.

    scan  reads the file as if nothing was wrong with it
    Such rows lack a last cell: only where one is missing are rows looked at as they are written, by Python's reader.
    """
    try:
        lazy = scan(path)
        if (
            len(lazy.collect_schema()) == 1
            or not lazy.select(pl.last().null_count()).collect(engine="streaming").item()
        ):
            return ""
        short, first = 0, ""
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=separator)
            width = len(next(rows))
            for number, row in enumerate(rows, 1):
                if len(row) < width:
                    text = separator.join(row)
                    said = f"`{text[:SHOWN]}{'...' if len(text) > SHOWN else ''}`" if text else "nothing"
                    short, first = short + 1, first or f"row {number}: {said}"
    except (pl.exceptions.PolarsError, OSError, ValueError, StopIteration, csv.Error):
        return ""  # told when it is read
    if not short:
        return ""
    return f"{short:,} {'row has' if short == 1 else 'rows have'} fewer cells than the header; the first is {first}"
