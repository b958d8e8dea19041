"""One data file: opened, described by its columns, and read frame by frame.

A csv has no types: its cells stay text and are read as numbers only if numbers are needed, so that the other rows of a
file never change what a cell means.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import polars as pl

from aesm_dsl.data.reading.file_endings import ARROW, CSV, ENDINGS, PARQUET
from aesm_dsl.data.reading.ragged_csv import too_few_cells
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span

_NO_MEMORY = os.strerror(errno.ENOMEM)
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows, or frames from Python in place of one."""

    path: Path
    name: str
    """What findings call the file: its path as written if that was no glob, else relative to the root it was found
    under."""
    schema: pl.Schema
    frames: Callable[[], Iterator[pl.DataFrame]] | None = None
    """Makes an iterator over the rows if they come from Python, not from a file."""
    folders: tuple[tuple[str, str | None], ...] = ()
    """Names and values of the columns that the folders above the file add to all its rows (Hive partitions)."""


def open_file(path: Path, name: str, span: Span | None, findings: Findings) -> DataFile | None:
    """Returns the file with its columns, or None after adding E502 if it cannot be opened."""
    if not path.name.endswith(ENDINGS):
        known = ", ".join(ENDINGS)
        findings.add("E502", f"`{name}` has a file type that cannot be read", span, help=f"known: {known}")
        return None
    if path.name.endswith((".csv", ".tsv")) and (label := _foreign_format(path)):
        helps = "save it as UTF-8, its columns separated by commas, or by tabs as .tsv"
        findings.add("E502", f"`{name}` cannot be read", span, label=label, help=helps)
        return None
    if path.name.endswith(CSV) and (label := too_few_cells(path, _scan, _separator(path))):
        helps = "a missing value is an empty cell, with its separator; a row may not end early"
        findings.add("E502", f"`{name}` cannot be read", span, label=label, help=helps)
        return None
    return read_or_report(lambda: _describe(path, name), path, name, span, findings)


def _foreign_format(path: Path) -> str:
    """Names the encoding or separator of a csv that is not read here, by its first line; empty if all is well."""
    try:
        with path.open("rb") as file:
            head = file.readline(2**16)
    except OSError:
        return ""  # reported when the file is read
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        return "this is UTF-16"
    other = next((sign for sign in (b";", b"\t", b"|") if head.count(sign) and path.suffix == ".csv"), b"")
    return f"its columns are separated by {other.decode()!r}" if other and b"," not in head else ""


def read_or_report(
    reading: Callable[[], Result], file: Path, name: str, span: Span | None, findings: Findings
) -> Result | None:
    """Returns what `reading` returns, or None after adding E502 if it fails.

    Args:
        reading: reads something from the file.
        file: its path, looked at for the reason of the failure.
        name: what findings call the file.
        span: its place in the spec.
        findings: takes the E502. A file that is read several times is reported once.
    """
    try:
        return reading()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error)
    except BaseException as error:
        # A damaged parquet file can make polars panic, and its PanicException is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        reason = "its contents are damaged"
    message, label = f"`{name}` cannot be read", "there is not enough memory" if _NO_MEMORY in reason else _cause(file)
    if not any((finding.code, finding.message, finding.label) == ("E502", message, label) for finding in findings):
        findings.add("E502", message, span, label=label, help=f"the reader says: {_first_line(reason)}")
    return None


def _cause(file: Path) -> str:
    """Says in a few words what is wrong with a file, by its size and its first and last bytes."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            head = opened.read(4)
            opened.seek(max(size - 4, 0))
            tail = opened.read(4)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not size:
        return "the file is empty"
    if file.name.endswith(CSV):
        return "not a well-formed csv file"
    if file.name.endswith(ARROW):
        return "damaged" if head == b"ARRO" else "not an Arrow file"
    if head != b"PAR1":
        return "not a parquet file"
    return "damaged" if tail == b"PAR1" else "cut off: the end of the parquet file is missing"


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "nothing"


def _describe(path: Path, name: str) -> DataFile:
    schema = _parquet_schema(path) if path.name.endswith(PARQUET) else _scan(path).collect_schema()
    pairs = [part.partition("=") for part in name.split("/")[:-1] if part.partition("=")[0] and "=" in part]
    folders = {
        key: None if value == _NULL_PARTITION else unquote(value) for key, _, value in pairs if key not in schema
    }
    for key in folders:
        schema[key] = pl.String()
    return DataFile(path, name, schema, None, tuple(folders.items()))


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


def _scan(path: Path) -> pl.LazyFrame:
    if path.name.endswith(PARQUET):
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)
    if path.name.endswith(ARROW):
        return pl.scan_ipc(path, glob=False, hive_partitioning=False)
    return pl.scan_csv(path, separator=_separator(path), infer_schema=False, glob=False)


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes else ","


def read_frames(file: DataFile, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """Yields the file's rows with these columns, at most `rows` rows at a time."""
    if file.frames is not None:
        for frame in file.frames():
            yield from frame.select(columns).iter_slices(rows)
        return
    lazy = _scan(file.path)
    folders = {name: pl.lit(value, pl.String).alias(name) for name, value in file.folders if name in columns}
    stored = [name for name in columns if name not in folders]
    # Without any column of the file the number of its rows would not be known.
    lazy = lazy.select(stored or lazy.collect_schema().names()[:1])
    for frame in lazy.collect_batches(chunk_size=rows, maintain_order=True):
        cells = frame.with_columns(_csv_text(frame[c]) for c in stored) if file.path.name.endswith(CSV) else frame
        yield cells.with_columns(folders.values()).select(columns)


def _csv_text(column: pl.Series) -> pl.Series:
    """The cells of a csv in one form: other writers put "1.0" for 1, and "True" for true."""
    text = column.str.replace(r"^(-?\d+)\.0+$", "$1")
    return text.str.replace("^(?:True|TRUE)$", "true").str.replace("^(?:False|FALSE)$", "false")


def scan(file: DataFile) -> pl.LazyFrame:
    """Returns all columns of the file as a lazy frame: nothing is read yet."""
    lazy = _scan(file.path)
    cells = lazy.with_columns(pl.all().map_batches(_csv_text)) if file.path.name.endswith(CSV) else lazy
    return cells.with_columns(pl.lit(value, pl.String).alias(name) for name, value in file.folders)
