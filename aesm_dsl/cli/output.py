"""Printing: results on standard output, everything else on standard error, colour only on a terminal.

If several processes train together, only the first one prints.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from aesm_dsl.findings.diagnostic import Findings


def colour(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ


def console(stream: Any) -> Console:
    """A console on the stream; off a terminal, tables take the width they need."""
    from rich.console import Console

    from aesm_dsl.training.distributed.launch import rank

    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False, quiet=rank() > 0)


def say(text: str) -> None:
    _write(sys.stderr, text + "\n")


def warn(findings: Findings) -> None:
    from aesm_dsl.findings.render import render

    _write(sys.stderr, render(findings, colour=colour(sys.stderr)))


def print_json(value: Any) -> None:
    _write(sys.stdout, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _write(stream: Any, text: str) -> None:
    from aesm_dsl.training.distributed.launch import rank

    if rank() == 0:
        stream.write(text)
