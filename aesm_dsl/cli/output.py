"""Printing: results on standard output, everything else on standard error, colour only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console

from aesm_dsl.diagnostic import Findings
from aesm_dsl.render import render


def colour(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ


def console(stream: Any) -> Console:
    """A console on the stream; off a terminal, tables take the width they need."""
    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def warn(findings: Findings) -> None:
    sys.stderr.write(render(findings, colour=colour(sys.stderr)))


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
