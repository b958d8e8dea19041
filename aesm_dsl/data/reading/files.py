"""Finds data files and reads them: paths as written -> `DataFile`s -> `TableRows`, chunk by chunk.

Files are parquet, Arrow or csv (`file_type`): one file, several, globs, or folders (`folder`), on this machine or at a
URL (`remote`). Folders called `name=value` on the path of a file add a column to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.reading.data_file import DataFile, open_file, read_frames
from aesm_dsl.data.reading.find_pattern import Pattern, files_of, local_name
from aesm_dsl.data.reading.place import Disk
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.data.reading.remote import fetch, is_remote
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings, did_you_mean
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import CsvFormat

CHUNK_ROWS = 2**16
"""Rows of a chunk."""

RowNumbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one file that know where they come from. R rows."""

    frame: pl.DataFrame
    file: str
    start: int = 0
    """Rows of the file before these."""
    first: int = 0
    """Rows of the whole table before these."""
    number_R: RowNumbers | None = None
    """The number of each row in its file, from 0; None if the rows follow each other without a gap."""

    def __len__(self) -> int:
        return self.frame.height

    def location(self, row: int) -> str:
        """The row of the frame in words: its number in the file from 1, not counting a csv's header, and the file."""
        number = self.start + row if self.number_R is None else int(self.number_R[row])
        return f"row {number + 1} of `{self.file}`"

    def take(self, chosen: Mask) -> TableRows:
        """Returns the rows where `chosen` is true, in their order."""
        number_R = np.arange(self.start, self.start + len(self)) if self.number_R is None else self.number_R
        return TableRows(self.frame.filter(pl.Series(chosen)), self.file, self.start, self.first, number_R[chosen])

    def with_empty(self, columns: Iterable[str]) -> TableRows:
        """Returns the rows with the columns of these names that they lack, without values."""
        lacking = [pl.Series(name, [None] * len(self), pl.Null) for name in columns if name not in self.frame.columns]
        return replace(self, frame=self.frame.with_columns(lacking)) if lacking else self


def find_files(
    patterns: Sequence[str],
    roots: Sequence[Path],
    span: Span | None,
    findings: Findings,
    csv: CsvFormat | None = None,
) -> list[DataFile]:
    """Returns the files that the patterns mean, in the order of the patterns and then of the names, each once.

    A relative pattern is looked up in each root; the first root in which anything matches wins. A folder means all
    parquet files below it, or all Arrow files if there are none, or all csv files. Adds E501 for a pattern without a
    file, E502 for a file that cannot be opened, E515 for a table that keeps versions, and W514 for files of a folder
    that are left out.

    Args:
        patterns: paths as written.
        roots: folders in which relative paths are looked up.
        span: the place of the paths in the spec.
        findings: takes the findings.
        csv: how csv files are written; None for commas, or tabs in .tsv, in UTF-8.
    """
    csv = csv or CsvFormat()
    names: dict[Path, str] = {}
    for pattern in patterns:
        for path, name in _expand(Pattern(pattern, span, findings, csv != CsvFormat()), roots):
            names.setdefault(path, name)
    opened = [open_file(path, name, csv, span, findings) for path, name in names.items()]
    return [file for file in opened if file is not None]


def find_paths(pattern: str, roots: Sequence[Path], span: Span | None, findings: Findings) -> list[tuple[Path, str]]:
    """Returns the files that a pattern means, of whatever type, and what findings call each.

    The arguments, and what is added, are those of `find_files`.
    """
    return _expand(Pattern(pattern, span, findings, any_type=True), roots)


def _expand(pattern: Pattern, roots: Sequence[Path]) -> list[tuple[Path, str]]:
    text, findings = pattern.text, pattern.findings
    if is_remote(text):
        return fetch(pattern)
    before, absolute = len(findings.errors), Path(text).is_absolute()
    for root in [Path("/")] if absolute else roots:
        paths = files_of(pattern, Disk(), str(root / text))
        if paths or len(findings.errors) > before:
            return [(Path(path), path if absolute else local_name(path, root)) for path in paths]
    searched = [text] if absolute else [str(root / text) for root in roots] or [text]
    helps = ["looked for " + ", then ".join(f"`{path}`" for path in searched), _similar_name(searched)]
    findings.add("E501", f"no file `{text}`", pattern.span, label="nothing found", help=helps)
    return []


def read_chunks(
    files: Sequence[DataFile],
    columns: Sequence[str] | None,
    span: Span | None,
    findings: Findings,
    rows: int = CHUNK_ROWS,
    *,
    optional: Sequence[str] = (),
) -> Iterator[TableRows]:
    """Yields all rows of the files in order, in chunks of at most `rows` rows, each from one file.

    Memory follows `rows`. Adds E502 for a file that cannot be read to its end, and goes on with the next one.

    Args:
        files: the files of a table.
        columns: columns to read, as far as every file has them; None for all columns that every file has. A column has
            the type that its file gives it; `values` says what its cells mean.
        span: the table's place in the spec.
        findings: takes the errors.
        rows: most rows of a chunk.
        optional: columns to read from those files that have them.
    """
    shared = [name for name in files[0].schema if all(name in file.schema for file in files)]
    wanted = [name for name in shared if columns is None or name in columns]
    first = 0
    for file in files:
        start = 0
        own = [name for name in optional if name in file.schema and name not in wanted]
        frames = read_frames(file, [*wanted, *own], rows)
        while (
            frame := read_or_report(lambda: next(frames, None), file.path, file.name, span, findings)  # noqa: B023
        ) is not None:
            yield TableRows(frame, file.name, start, first)
            start, first = start + frame.height, first + frame.height


def _similar_name(searched: Sequence[str]) -> str:
    for path in searched:
        parent = Path(path).parent
        if parent.is_dir():
            close = did_you_mean(Path(path).name, (file.name for file in parent.iterdir()))
            if close:
                return close
    return ""
