"""Finding data files and reading them: paths as written -> `DataFile`s -> `TableRows`, chunk by chunk.

parquet (.parquet, .pq), Arrow (.arrow, .feather, .ipc) and csv (.csv, .tsv, also .gz), one file, several, globs, or
folders of them, here or at a URL (remote.py). Folders called `name=value` on a file's way add a column to it.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.reading.data_file import DataFile, open_file, read_frames, read_or_report
from aesm_dsl.data.reading.file_endings import KINDS
from aesm_dsl.data.reading.remote import fetch, is_remote
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings, did_you_mean
from aesm_dsl.findings.source import Span

CHUNK_ROWS = 2**16
"""Rows that are looked at together."""

RowNumbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one file, which remember where they come from. R rows."""

    frame: pl.DataFrame
    file: str
    start: int = 0
    """Rows of the file before these."""
    first: int = 0
    """Rows of the whole table before these."""
    number_R: RowNumbers | None = None
    """The rows of the file before each row; None where they follow each other without a gap."""

    def __len__(self) -> int:
        return self.frame.height

    def place(self, row: int) -> str:
        """The frame's row in words: the file, and its row there, from 1 (a csv's header is not counted)."""
        number = self.start + row if self.number_R is None else int(self.number_R[row])
        return f"row {number + 1} of `{self.file}`"

    def take(self, chosen: Mask) -> TableRows:
        """The rows where `chosen` is true, in their order."""
        number_R = np.arange(self.start, self.start + len(self)) if self.number_R is None else self.number_R
        return TableRows(self.frame.filter(pl.Series(chosen)), self.file, self.start, self.first, number_R[chosen])


def find_files(patterns: Sequence[str], roots: Sequence[Path], span: Span | None, findings: Findings) -> list[DataFile]:
    """The files that the patterns mean, in order of patterns and then of names; each once.

    A relative pattern is tried under each root; the first root where anything matches wins. A folder means all parquet
    files below it, or all Arrow files if there are none, or all csv files. Adds E501 for a pattern without a file, E502
    for a file that cannot be opened; such files are left out.
    """
    found: dict[Path, str] = {}
    for pattern in patterns:
        for path, name in expand_pattern(pattern, roots, span, findings):
            found.setdefault(path, name)
    opened = [open_file(path, name, span, findings) for path, name in found.items()]
    return [file for file in opened if file is not None]


def expand_pattern(
    pattern: str, roots: Sequence[Path], span: Span | None, findings: Findings
) -> list[tuple[Path, str]]:
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


def read_chunks(
    files: Sequence[DataFile],
    columns: Sequence[str] | None,
    span: Span | None,
    findings: Findings,
    rows: int = CHUNK_ROWS,
) -> Iterator[TableRows]:
    """All rows of the files in order, never of two files and at most `rows` at a time: memory follows `rows`.

    They have these columns (those that every file has), or all columns when None. Each column has its file's type:
    what its cells say is for value.py. Adds E502 for a file that cannot be read to its end, and goes on with the next.
    """
    shared = [name for name in files[0].schema if all(name in file.schema for file in files)]
    wanted = [name for name in shared if columns is None or name in columns]
    first = 0
    for file in files:
        start = 0
        frames = read_frames(file, wanted, rows)
        while (frame := read_or_report(lambda: next(frames, None), file.path, file.name, span, findings)) is not None:  # noqa: B023
            yield TableRows(frame, file.name, start, first)
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
