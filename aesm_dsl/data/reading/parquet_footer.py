"""What a parquet file says about itself at its end: its columns, where its rows lie, the bounds of every column."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import polars as pl


def footer(path: Path) -> bytes:
    """The file's last bytes, from where it begins to describe itself. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        length = min(int.from_bytes(file.read(4), "little") + 8, size)
        file.seek(size - length)
        return file.read(length)


def parquet_schema(path: Path) -> pl.Schema:
    """The columns of a file, without mapping all of it: of a folder of many, mappings would be more than the memory."""
    return pl.Schema(pl.read_parquet_schema(BytesIO(b"PAR1" + footer(path))))
