"""Finding data files and reading them: paths as written -> `DataFile`s -> `Rows`, chunk by chunk.

parquet (.parquet, .pq), Arrow (.arrow, .feather, .ipc) and csv (.csv, .tsv, also .gz), one file, several, globs, or
folders of them, here or at a URL (remote.py). Folders called `name=value` on a file's way add a column to it. A csv
has no types: its cells stay text and are read as numbers where numbers are needed, so that a file's other
rows never change what a cell means.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import numpy as np
import polars as pl

from aesm_dsl.data.footer import parquet_schema
from aesm_dsl.data.ragged import too_few_cells
from aesm_dsl.data.remote import fetch, is_remote
from aesm_dsl.data.value import Mask
from aesm_dsl.diagnostic import Findings, did_you_mean
from aesm_dsl.source import Span

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

KINDS = (PARQUET, ARROW, CSV)
_NO_MEMORY = os.strerror(errno.ENOMEM)
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

CHUNK_ROWS = 2**16
"""Rows that are looked at together."""

Read = TypeVar("Read")
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


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


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file, which remember where they come from. R rows."""

    frame: pl.DataFrame
    file: str
    start: int = 0
    """Rows of the file before these."""
    first: int = 0
    """Rows of the whole table before these."""
    number_R: Numbers | None = None
    """The rows of the file before each row; None where they follow each other without a gap."""

    def __len__(self) -> int:
        return self.frame.height

    def place(self, row: int) -> str:
        """The frame's row in words: the file, and its row there, from 1 (a csv's header is not counted)."""
        number = self.start + row if self.number_R is None else int(self.number_R[row])
        return f"row {number + 1} of `{self.file}`"

    def take(self, chosen: Mask) -> Rows:
        """The rows where `chosen` is true, in their order."""
        number_R = np.arange(self.start, self.start + len(self)) if self.number_R is None else self.number_R
        return Rows(self.frame.filter(pl.Series(chosen)), self.file, self.start, self.first, number_R[chosen])


def find(patterns: Sequence[str], roots: Sequence[Path], span: Span | None, findings: Findings) -> list[DataFile]:
    """The files that the patterns mean, in order of patterns and then of names; each once.

    A relative pattern is tried under each root; the first root where anything matches wins. A folder means all parquet
    files below it, or all Arrow files if there are none, or all csv files. Adds E501 for a pattern without a file, E502
    for a file that cannot be opened; such files are left out.
    """
    found: dict[Path, str] = {}
    for pattern in patterns:
        for path, name in named(pattern, roots, span, findings):
            found.setdefault(path, name)
    opened = [_open(path, name, span, findings) for path, name in found.items()]
    return [file for file in opened if file is not None]


def named(pattern: str, roots: Sequence[Path], span: Span | None, findings: Findings) -> list[tuple[Path, str]]:
    """The files that a pattern means, and what findings call them; adds E501 where there are none."""
    if is_remote(pattern):
        return fetch(pattern, KINDS, span, findings)
    matches = _matches(pattern, roots)
    if not matches:
        looked = [str(root / pattern) for root in roots] or [pattern]
        looked = [pattern] if Path(pattern).is_absolute() else looked
        helps = ["looked for " + ", then ".join(f"`{place}`" for place in looked), _near(looked)]
        findings.add("E501", f"no file `{pattern}`", span, label="nothing found", help=helps)
    return matches


def chunks(
    files: Sequence[DataFile],
    columns: Sequence[str] | None,
    span: Span | None,
    findings: Findings,
    rows: int = CHUNK_ROWS,
) -> Iterator[Rows]:
    """All rows of the files in order, never of two files and at most `rows` at a time: memory follows `rows`.

    They have these columns (those that every file has), or all columns when None. Each column has its file's type:
    what its cells say is for value.py. Adds E502 for a file that cannot be read to its end, and goes on with the next.
    """
    shared = [name for name in files[0].schema if all(name in file.schema for file in files)]
    wanted = [name for name in shared if columns is None or name in columns]
    first = 0
    for file in files:
        start = 0
        frames = _frames(file, wanted, rows)
        while (frame := attempt(lambda: next(frames, None), file.path, file.name, span, findings)) is not None:  # noqa: B023
            yield Rows(frame, file.name, start, first)
            start, first = start + frame.height, first + frame.height


def _matches(pattern: str, roots: Sequence[Path]) -> list[tuple[Path, str]]:
    if Path(pattern).is_absolute():
        return [(path, str(path)) for path in _files(Path("/"), pattern.lstrip("/"))]
    for root in roots:
        paths = _files(root, pattern)
        if paths:
            return [(path, _name(path, root)) for path in paths]
    return []


def _files(root: Path, pattern: str) -> list[Path]:
    literal = root / pattern
    hits = [literal] if literal.exists() else sorted(root / hit for hit in _glob(pattern, root))
    files: list[Path] = []
    for hit in hits:
        files.extend(_below(hit) if hit.is_dir() else [hit])
    return files


def _glob(pattern: str, root: Path) -> list[str]:
    return glob.glob(pattern, root_dir=root, recursive=True)


def _below(folder: Path) -> list[Path]:
    """Data files below a folder, leaving out hidden ones and those that writers start with an underscore."""
    for endings in KINDS:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(endings))
        files = [path for path in files if not any(part[0] in "._" for part in path.relative_to(folder).parts)]
        if files:
            return files
    return []


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _near(looked: Sequence[str]) -> str:
    for place in looked:
        parent = Path(place).parent
        if parent.is_dir():
            close = did_you_mean(Path(place).name, (path.name for path in parent.iterdir()))
            if close:
                return close
    return ""


def _open(path: Path, name: str, span: Span | None, findings: Findings) -> DataFile | None:
    if not path.name.endswith(sum(KINDS, ())):
        known = ", ".join(sum(KINDS, ()))
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
    return attempt(lambda: _described(path, name), path, name, span, findings)


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


def attempt(reading: Callable[[], Read], file: Path, name: str, span: Span | None, findings: Findings) -> Read | None:
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


def _frames(file: DataFile, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
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
