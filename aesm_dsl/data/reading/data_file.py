"""One file of a table: opened, described by its columns, and read frame by frame.

A csv has no types: its cells stay text and are read as numbers where numbers are needed, so that a file's other rows
never change what a cell means.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import polars as pl

from aesm_dsl.data.reading.file_endings import ARROW, CSV, ENDINGS, PARQUET
from aesm_dsl.data.reading.parquet_footer import parquet_schema
from aesm_dsl.data.reading.ragged_csv import too_few_cells
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span

_NO_MEMORY = os.strerror(errno.ENOMEM)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class DataFile:
    path: Path
    name: str
    """What findings call it: as written where no glob was, else relative to the root it was found under."""
    schema: pl.Schema
    frames: Callable[[], Iterator[pl.DataFrame]] | None = None
    """Where its rows come from if it is no file."""
    folders: tuple[tuple[str, str | None], ...] = ()
    """Columns that are the same in all its rows: those of the folders that it lies in."""


def open_file(path: Path, name: str, span: Span | None, findings: Findings) -> DataFile | None:
    """The file with its columns; None after adding E502, where it cannot be opened."""
    if not path.name.endswith(ENDINGS):
        known = ", ".join(ENDINGS)
        findings.add("E502", f"`{name}` is no kind of file that is read here", span, help=f"known: {known}")
        return None
    if path.name.endswith((".csv", ".tsv")) and (label := _foreign(path)):
        helps = "save it as UTF-8, its columns separated by commas, or by tabs as .tsv"
        findings.add("E502", f"`{name}` cannot be read", span, label=label, help=helps)
        return None
    if path.name.endswith(CSV) and (label := too_few_cells(path, _scan, _separator(path))):
        helps = "a missing value is an empty cell, with its separator; a row may not end early"
        findings.add("E502", f"`{name}` cannot be read", span, label=label, help=helps)
        return None
    return read_or_report(lambda: _described(path, name), path, name, span, findings)


def _foreign(path: Path) -> str:
    """What the first line of a csv says of an encoding or separator that is not read here; empty where nothing."""
    try:
        with path.open("rb") as opened:
            head = opened.readline(2**16)
    except OSError:
        return ""  # told when it is read
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        return "this is UTF-16"
    other = next((sign for sign in (b";", b"\t", b"|") if head.count(sign) and path.suffix == ".csv"), b"")
    return f"its columns are separated by {other.decode()!r}" if other and b"," not in head else ""


def read_or_report(
    reading: Callable[[], Read], file: Path, name: str, span: Span | None, findings: Findings
) -> Read | None:
    """What `reading` returns, or None after adding E502."""
    try:
        return reading()
    except (pl.exceptions.PolarsError, OSError) as fault:
        said = str(fault)
    except BaseException as fault:
        # A damaged parquet file can make polars panic, which is no Exception.
        if type(fault).__name__ != "PanicException":
            raise
        said = "its contents are damaged"
    message, label = f"`{name}` cannot be read", "there is not enough memory" if _NO_MEMORY in said else _why(file)
    # A file that is read more than once is told of once.
    if not any((one.code, one.message, one.label) == ("E502", message, label) for one in findings):
        findings.add("E502", message, span, label=label, help=f"the reader says: {_first(said)}")
    return None


def _why(file: Path) -> str:
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            head = opened.read(4)
            opened.seek(max(size - 4, 0))
            tail = opened.read(4)
    except OSError as fault:
        return (fault.strerror or str(fault)).lower()
    if not size:
        return "the file is empty"
    if file.name.endswith(CSV):
        return "not a well-formed csv file"
    if file.name.endswith(ARROW):
        return "damaged" if head == b"ARRO" else "not an Arrow file"
    if head != b"PAR1":
        return "not a parquet file"
    return "damaged" if tail == b"PAR1" else "cut off: the end of the parquet file is missing"


def _first(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else "nothing"


def _described(path: Path, name: str) -> DataFile:
    schema = parquet_schema(path) if path.name.endswith(PARQUET) else _scan(path).collect_schema()
    pairs = [part.partition("=") for part in name.split("/")[:-1] if part.partition("=")[0] and "=" in part]
    folders = {key: None if value == _NO_VALUE else unquote(value) for key, _, value in pairs if key not in schema}
    for key in folders:
        schema[key] = pl.String()
    return DataFile(path, name, schema, None, tuple(folders.items()))


def _scan(path: Path) -> pl.LazyFrame:
    if path.name.endswith(PARQUET):
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)
    if path.name.endswith(ARROW):
        return pl.scan_ipc(path, glob=False, hive_partitioning=False)
    return pl.scan_csv(path, separator=_separator(path), infer_schema=False, glob=False)


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes else ","


def read_frames(file: DataFile, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """Its rows with these columns, at most `rows` at a time."""
    if file.frames is not None:
        for frame in file.frames():
            yield from frame.select(columns).iter_slices(rows)
        return
    lazy = _scan(file.path)
    folders = {name: pl.lit(value, pl.String).alias(name) for name, value in file.folders if name in columns}
    own = [name for name in columns if name not in folders]
    # Of a file without any column the rows would not be known.
    lazy = lazy.select(own or lazy.collect_schema().names()[:1])
    for frame in lazy.collect_batches(chunk_size=rows, maintain_order=True):
        said = frame.with_columns(_said(frame[c]) for c in own) if file.path.name.endswith(CSV) else frame
        yield said.with_columns(folders.values()).select(columns)


def _said(column: pl.Series) -> pl.Series:
    """A csv's cells as text: "1.0" and "True" are how other writers put 1 and true."""
    text = column.str.replace(r"^(-?\d+)\.0+$", "$1")
    return text.str.replace("^(?:True|TRUE)$", "true").str.replace("^(?:False|FALSE)$", "false")


def scan(file: DataFile) -> pl.LazyFrame:
    """All its columns, as they are read here, without reading them yet."""
    lazy = _scan(file.path)
    said = lazy.with_columns(pl.all().map_batches(_said)) if file.path.name.endswith(CSV) else lazy
    return said.with_columns(pl.lit(value, pl.String).alias(name) for name, value in file.folders)
