"""Printing: results on standard output, everything else on standard error, colour only on a terminal.

If several processes train together, only the first one prints.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from aesm_dsl.findings.printable import printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from aesm_dsl.findings.diagnostic import Findings


def colour(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ


def console(stream: Any) -> Console:
    """A console on the stream; off a terminal, lines may have 160 characters."""
    from rich.console import Console

    from aesm_dsl.training.distributed.launch import rank

    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False, quiet=rank() > 0)


def print_table(table: Table) -> None:
    """Prints a table on standard output, in the width of the terminal, or of `COLUMNS`; else in the width it needs."""
    from aesm_dsl.report.fitted_table import fitted, natural_width

    table.title, table.caption = _harmless(table.title), _harmless(table.caption)
    for column in table.columns:
        column.header = _harmless(column.header)
        column._cells = [_harmless(cell) for cell in column._cells]
    screen = console(sys.stdout)
    told = os.environ.get("COLUMNS", "")
    width = screen.width if sys.stdout.isatty() else int(told) if told.isdigit() and int(told) else None
    screen.width = max(160, natural_width(table)) if width is None else width
    for part in fitted(table, width):
        screen.print(part)


def _harmless(text: Any) -> Any:
    """The text as a terminal may show it; what is no text (rich has texts with a style) stays."""
    return printable_lines(text) if isinstance(text, str) else text


def say(text: str) -> None:
    _write(sys.stderr, printable_lines(text) + "\n")


def warn(findings: Findings) -> None:
    from aesm_dsl.findings.render import render

    _write(sys.stderr, render(findings, colour=colour(sys.stderr)))


def print_line(text: str) -> None:
    _write(sys.stdout, printable_lines(text) + "\n")


def print_text(text: str) -> None:
    """Prints a text that may be piped into a file: only a terminal is spared the characters that would act on it."""
    _write(sys.stdout, printable_lines(text) if sys.stdout.isatty() else text)


def print_json(value: Any) -> None:
    _write(sys.stdout, json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """The value with null for numbers that are not finite, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(stream: Any, text: str) -> None:
    from aesm_dsl.training.distributed.launch import rank

    if rank() == 0:
        stream.write(text)
        stream.flush()
