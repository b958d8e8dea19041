"""What the shell offers for a word that is being typed: specs, runs, tables, codes, architectures.

Files are offered whole, from below the folder in which the word begins: after `aesm train` the key offers
`specs/hotel.aesm` itself. Where nothing fits the shell goes on with its own completion of files. A name with blanks is
left to it as well: it knows how to quote.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aesm_dsl.data.reading.file_endings import ENDINGS

DEPTH = 4
"""Folders that are looked into, one below the other."""

MOST = 20_000
"""Entries that are looked at: whoever pressed the key is waiting."""


def specs(incomplete: str) -> list[str]:
    return [path for path, is_run in _below(incomplete) if not is_run and path.endswith(".aesm")]


def runs(incomplete: str) -> list[str]:
    """Folders of runs."""
    return [path for path, is_run in _below(incomplete) if is_run]


def specs_and_runs(incomplete: str) -> list[str]:
    return [path for path, is_run in _below(incomplete) if is_run or path.endswith(".aesm")]


def tables(incomplete: str) -> list[str]:
    return [path for path, is_run in _below(incomplete) if not is_run and path.endswith(ENDINGS)]


def codes(incomplete: str) -> list[tuple[str, str]]:
    from aesm_dsl.findings.codes import pages

    return [(code, page.title) for code, page in pages().items() if code.startswith(incomplete)]


def devices(incomplete: str) -> list[str]:
    return [one for one in ("auto", "cpu", "cuda") if one.startswith(incomplete)]


def rivals(incomplete: str) -> list[str]:
    """One architecture more, behind the commas."""
    from aesm_dsl.spec.baseline import ARCHITECTURES

    before, comma, typed = incomplete.rpartition(",")
    return [
        f"{before}{comma}{name}"
        for name in ARCHITECTURES
        if name != "aes" and name.startswith(typed) and name not in before.split(",")
    ]


def _below(incomplete: str) -> Iterator[tuple[str, bool]]:
    """Files and folders of runs whose path begins as the word does, the nearest first; and whether each is a run.

    What lies within a run, or is hidden, is not looked at.
    """
    start, begun = os.path.split(incomplete)
    folders = [(start, begun)]
    seen = 0
    for _ in range(DEPTH):
        deeper: list[tuple[str, str]] = []
        for folder, prefix in folders:
            for entry in _entries(folder):
                seen += 1
                if seen > MOST:
                    return
                path = os.path.join(folder, entry.name)
                if not entry.name.startswith(prefix) or entry.name.startswith(".") or len(path.split()) > 1:
                    continue
                if not entry.is_dir():
                    yield path, False
                elif Path(path, "run.json").is_file():
                    yield path, True
                elif not entry.name.endswith(".training"):
                    deeper.append((path, ""))
        folders = deeper


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
