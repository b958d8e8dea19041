"""One data file: opened, described by its columns, and read frame by frame.

A csv has no types: its cells stay text and are read as numbers only if numbers are needed, so that the other rows of a
file never change what a cell means.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from aesm_dsl.data.reading.arrow_stream import stream_frames, stream_rows, stream_schema
from aesm_dsl.data.reading.csv_file import CsvFile, plain_csv, scan_csv
from aesm_dsl.data.reading.file_endings import CSV, KINDS, PARQUET
from aesm_dsl.data.reading.file_type import STREAM, FileType, file_type, first_bytes
from aesm_dsl.data.reading.read_errors import is_panic, read_or_report
from aesm_dsl.data.reading.storage_types import named, read_intervals, storage_schema, too_wide, with_storage
from aesm_dsl.data.reading.unreadable import LostRowsError
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import CsvFormat

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows, or frames from Python in place of one."""

    path: Path
    name: str
    """What findings call the file: its path as written if that was no glob, else relative to the root it was found
    under."""
    schema: pl.Schema
    kind: str = ""
    """PARQUET, ARROW, STREAM or CSV; empty for frames."""
    plain: Path | None = None
    """The plain csv file that is read in its place."""
    csv: CsvFile | None = None
    frames: Callable[[], Iterator[pl.DataFrame]] | None = None
    """Makes an iterator over the rows if they come from Python, not from a file."""
    variants: tuple[DataFile, ...] = ()
    """The different columns of frames, in place of files with a name and a schema; empty if all frames are alike."""
    folders: tuple[tuple[str, str | None], ...] = ()
    """Names and values of the columns that the folders above the file add to all its rows (Hive partitions)."""

    @property
    def described(self) -> tuple[DataFile, ...]:
        """The file, or what stands for its frames: each has one schema."""
        return self.variants or (self,)


def open_file(path: Path, name: str, csv: CsvFormat, span: Span | None, findings: Findings) -> DataFile | None:
    """Returns the file with its columns, or None after adding E502 if it cannot be opened.

    Args:
        path: its path.
        name: what findings call it.
        csv: how csv files are written.
        span: its place in the spec.
        findings: takes the error.
    """
    found = file_type(path.name, first_bytes(path), csv != CsvFormat())
    if not found.kind:
        known = ", ".join(ending for endings in KINDS.values() for ending in endings)
        helps = [_way_out(found), f"files that are read end with {known}; a csv also with .gz or .zst"]
        message = f"`{name}` has a file type that cannot be read"
        findings.add("E502", message, span, label=f"this is {found.foreign}" if found.foreign else "", help=helps)
        return None
    read_intervals()
    return read_or_report(lambda: _describe(path, name, found, csv), path, name, span, findings)


def _way_out(found: FileType) -> str:
    if "compressed" in found.foreign:
        return "undo the compression; parquet and Arrow files are compressed within, a csv by gzip or zstd"
    return (
        "write its rows as parquet, or as csv"
        if found.foreign
        else '`format = csv(separator: ",")` in `data` reads it as csv'
    )


def _describe(path: Path, name: str, found: FileType, csv: CsvFormat) -> DataFile:
    file = DataFile(path, name, pl.Schema(), found.kind)
    if found.kind == CSV:
        own = CsvFile(path, csv, found.compression)
        file = replace(file, csv=own, plain=plain_csv(own))
    if found.kind == PARQUET:
        schema = _parquet_schema(path)
    elif found.kind == STREAM:
        schema = stream_schema(path)
    else:
        schema = _scan(file).collect_schema()
    schema = storage_schema(schema)
    pairs = [part.partition("=") for part in name.split("/")[:-1] if part.partition("=")[0] and "=" in part]
    folders = {
        key: None if value == _NULL_PARTITION else unquote(value) for key, _, value in pairs if key not in schema
    }
    for key in folders:
        schema[key] = pl.String()
    return replace(file, schema=schema, folders=tuple(folders.items()))


def parquet_footer(path: Path) -> bytes:
    """Returns the end of a parquet file that describes it: its columns, where its rows are, the bounds of every column.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        length = min(int.from_bytes(file.read(4), "little") + 8, size)
        file.seek(size - length)
        return file.read(length)


def _parquet_schema(path: Path) -> pl.Schema:
    # Of the footer alone: polars would map the whole file, and the mappings of many files can exceed the memory.
    return pl.Schema(pl.read_parquet_schema(BytesIO(b"PAR1" + parquet_footer(path))))


def _scan(file: DataFile) -> pl.LazyFrame:
    if file.csv is not None:
        return scan_csv(file.plain or file.path, file.csv.separator, file.csv.csv.quote)
    if file.kind == PARQUET:
        return pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    return pl.scan_ipc(file.path, glob=False, hive_partitioning=False)


def read_frames(file: DataFile, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """Yields the file's rows with these columns, at most `rows` rows at a time.

    Raises:
        LostRowsError: the reader returned another number of rows than the file states.
    """
    if file.frames is not None:
        for frame in file.frames():
            cells = with_storage(pl.DataFrame({name: frame[name] for name in columns}))
            yield from cells.iter_slices(rows)
        return
    folders = {name: value for name, value in file.folders if name in columns}
    # polars panics at decimals that are too long: their column is told elsewhere.
    readable = [name for name, dtype in file.schema.items() if name not in dict(file.folders) and not too_wide(dtype)]
    # Without any column of the file the number of its rows would not be known.
    wanted = [name for name in readable if name in columns] or readable[:1]
    read = 0
    for frame in _stored_frames(file, wanted, rows):
        read += frame.height
        cells = with_storage(frame)
        if file.csv is not None and file.csv.csv.null:
            missing = list(file.csv.csv.null)
            columns_of_text = [(cell.name, cell.alias("")) for cell in cells.get_columns()]
            cells = pl.DataFrame({name: cell.set(cell.is_in(missing), None) for name, cell in columns_of_text})
        yield pl.DataFrame({name: _column(cells, name, folders) for name in columns})
    if (stated := _stated_rows(file)) is not None and stated != read:
        raise LostRowsError(read, stated, _why(file, wanted))


def _stored_frames(file: DataFile, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    if file.kind == STREAM:
        for frame in stream_frames(file.path, columns):
            yield from frame.iter_slices(rows)
    else:
        yield from _scan(file).select(named(columns)).collect_batches(chunk_size=rows, maintain_order=True)


def _column(cells: pl.DataFrame, name: str, folders: dict[str, str | None]) -> pl.Series:
    if name in cells.columns:
        return cells[name]
    return pl.Series(name, [folders.get(name)], dtype=pl.String).new_from_index(0, cells.height)


def _stated_rows(file: DataFile) -> int | None:
    """The number of rows that the footer of a parquet or Arrow file states; None for a csv."""
    if file.kind == CSV:
        return None
    if file.kind == STREAM:
        return stream_rows(file.path)
    lazy = pl.scan_parquet(BytesIO(b"PAR1" + parquet_footer(file.path))) if file.kind == PARQUET else _scan(file)
    return int(lazy.select(pl.len()).collect().item())


def _why(file: DataFile, columns: Sequence[str]) -> str:
    """What the reader says of the first column that it cannot read."""
    for column in columns:
        try:
            _scan(file).select(named([column])).head(1).collect()
        except BaseException as error:
            if not isinstance(error, pl.exceptions.PolarsError) and not is_panic(error):
                raise
            return f"column `{column}`: {error}"
    return ""
