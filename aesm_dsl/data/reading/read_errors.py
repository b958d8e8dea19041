"""What goes wrong while a file is read, as one E502: its cause in a few words, and the words of the reader."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl

from aesm_dsl.data.reading.csv_file import wrong_text
from aesm_dsl.data.reading.file_endings import CSV, PARQUET
from aesm_dsl.data.reading.file_type import file_type, first_bytes
from aesm_dsl.data.reading.unreadable import LostRowsError, UnreadableError
from aesm_dsl.files.whole import NO_ROOM, unwritten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span

_NO_MEMORY = os.strerror(errno.ENOMEM)

Result = TypeVar("Result")


def read_or_report(
    reading: Callable[[], Result], file: Path, name: str, span: Span | None, findings: Findings
) -> Result | None:
    """Returns what `reading` returns, or None after adding E502, or E516 if rows were lost.

    Args:
        reading: reads something from the file.
        file: its path, looked at for the reason of the failure.
        name: what findings call the file.
        span: its place in the spec.
        findings: takes the finding. A file that is read several times is reported once.
    """
    try:
        return reading()
    except UnreadableError as problem:
        _report_once(name, problem, span, findings)
    except LostRowsError as lost:
        if not any(finding.code == "E516" and finding.label == lost.label for finding in findings):
            message = f"rows of `{name}` are lost"
            findings.add("E516", message, span, label=lost.label, help=_says(lost.reason))
    except BaseException as error:
        if not isinstance(error, pl.exceptions.PolarsError | OSError) and not is_panic(error):
            raise
        reason = str(error)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            _report_once(name, UnreadableError("there is no room for its copy", unwritten(file, error)), span, findings)
            return None
        label = "there is not enough memory" if _NO_MEMORY in reason else _cause(file)
        wrong = wrong_text(file, file_type(file.name, first_bytes(file)).compression) if label == _ODD_CSV else None
        _report_once(name, wrong or UnreadableError(label, _says(reason)), span, findings)
    return None


def is_panic(error: BaseException) -> bool:
    """Returns whether polars panicked, as it does at what it has not learnt yet. Its PanicException is no Exception."""
    return type(error).__name__ == "PanicException"


def first_line(text: str) -> str:
    """Returns the first line of a text that is not empty, at most 300 characters; "nothing" if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "nothing"


_ODD_CSV = "not a well-formed csv file"


def _says(reason: str) -> str:
    return f"the reader says: {first_line(reason)}"


def _report_once(name: str, why: UnreadableError, span: Span | None, findings: Findings) -> None:
    message = f"`{name}` cannot be read"
    if not any((finding.code, finding.message, finding.label) == ("E502", message, why.label) for finding in findings):
        findings.add("E502", message, span, label=why.label, help=why.help)


def _cause(file: Path) -> str:
    """Says in a few words what is wrong with a file, by its size and its first and last bytes."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            head = opened.read(6)
            opened.seek(max(size - 4, 0))
            tail = opened.read(4)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if not size:
        return "the file is empty"
    kind = file_type(file.name, first_bytes(file), csv_is_stated=True).kind
    if kind == CSV:
        return _ODD_CSV
    if kind != PARQUET:
        return "damaged" if head == b"ARROW1" or head.startswith(b"\xff\xff\xff\xff") else "not an Arrow file"
    if not head.startswith(b"PAR1"):
        return "not a parquet file"
    return (
        "damaged, or of a type that is not read"
        if tail == b"PAR1"
        else "cut off: the end of the parquet file is missing"
    )
