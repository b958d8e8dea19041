"""How the csv files of a table are written, guessed from their bytes and cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars as pl

from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.reading.csv_file import CsvFile, plain_csv, wrong_text
from aesm_dsl.data.reading.data_file import DataFile, read_frames
from aesm_dsl.data.reading.file_endings import CSV
from aesm_dsl.data.reading.file_type import file_type, first_bytes
from aesm_dsl.data.reading.files import find_paths
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.data.reading.unreadable import UnreadableError
from aesm_dsl.data.reading.values import MISSING_WORDS, nameless
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import CsvFormat

DOUBTFUL_WORDS = ("-", "--", "?", "NA", "n/a", "NaN", "none", ".", "unknown")
"""Texts that stand for a missing value if all other cells of their column are numbers or dates."""
ROWS = 20_000
"""Rows of each file in which words for missing values are looked for."""
STEPS = 4
"""Most properties of a format that can be wrong one after the other."""


def guess_csv_format(table: str, roots: Sequence[Path]) -> CsvFormat:
    """Returns the format in which the csv files of a table can be read; the plain one if none helps.

    Args:
        table: a path, a folder or a glob.
        roots: folders in which a relative path is looked up.
    """
    csv = CsvFormat()
    for path, _ in find_paths(table, roots, None, Findings()):
        if path.is_file() and file_type(path.name, first_bytes(path)).kind == CSV:
            csv = _readable(path, csv)
    return csv


def _readable(path: Path, csv: CsvFormat) -> CsvFormat:
    """The format that differs as little as it must for a file to be read."""
    compression = file_type(path.name, first_bytes(path)).compression
    for _ in range(STEPS):
        try:
            plain_csv(CsvFile(path, csv, compression))
        except UnreadableError as problem:
            if problem.instead is None:
                break
            csv = problem.instead
        except (OSError, pl.exceptions.PolarsError):
            break
        else:
            break
    if csv.encoding == CsvFormat().encoding and (wrong := wrong_text(path, compression)) is not None:
        return _readable(path, CsvFormat(separator=csv.separator, encoding=(wrong.instead or csv).encoding))
    return csv


def guess_missing_words(files: Sequence[DataFile]) -> tuple[str, ...]:
    """Returns the texts that stand for missing values in the csv files, in the order of their frequency."""
    counts: dict[str, int] = {}
    for file in files:
        if file.kind == CSV:
            # What cannot be read is reported when the table is.
            rows = read_or_report(partial(_first_rows, file), file.path, file.name, None, Findings())
            for cells in () if rows is None else rows.get_columns():
                _count_words(cells, counts)
    return tuple(sorted(counts, key=lambda word: (-counts[word], word)))


def _first_rows(file: DataFile) -> pl.DataFrame:
    # A column without a name cannot be read, and numbers the rows.
    return next(read_frames(file, [name for name in file.schema if name], ROWS), pl.DataFrame())


def _count_words(cells: pl.Series, counts: dict[str, int]) -> None:
    if not isinstance(cells.dtype, pl.String):
        return
    cells = nameless(cells)
    sure, doubtful = list(MISSING_WORDS), [*MISSING_WORDS, *DOUBTFUL_WORDS]
    if not (is_word := cells.is_in(doubtful).fill_null(False)).any():
        return
    others = cells.filter(~is_word).drop_nulls()
    typed = len(others) > 0 and Column.of(others).kind in ("number", "time")
    words = cells.filter(is_word) if typed else cells.filter(cells.is_in(sure).fill_null(False))
    for word, count in words.value_counts().rows():
        counts[str(word)] = counts.get(str(word), 0) + int(count)
