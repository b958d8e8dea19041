"""Completion in the shell: specs, runs, tables, codes, architectures.

Files are offered with their whole path, from below the folder in which the word begins: after `aesm train ` the Tab key
offers `specs/hotel.aesm` itself. If nothing fits, the shell goes on with its own completion of files. Names with blanks
are left to the shell too, which knows how to quote them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DEPTH = 4
"""How many levels of folders are searched."""

MOST = 20_000
"""Most entries that are looked at: whoever pressed the key is waiting."""


def specs(incomplete: str) -> list[str]:
    return [path for path, is_run in _below(incomplete) if not is_run and path.endswith(".aesm")]


def runs(incomplete: str) -> list[str]:
    """Folders of runs."""
    return [path for path, is_run in _below(incomplete) if is_run]


def specs_and_runs(incomplete: str) -> list[str]:
    return [path for path, is_run in _below(incomplete) if is_run or path.endswith(".aesm")]


def tables(incomplete: str) -> list[str]:
    from aesm_dsl.data.reading.file_endings import kind_of_name

    return [path for path, is_run in _below(incomplete) if not is_run and kind_of_name(path)]


def codes(incomplete: str) -> list[tuple[str, str]]:
    from aesm_dsl.findings.codes import pages

    return [(code, page.title) for code, page in pages().items() if code.startswith(incomplete)]


def devices(incomplete: str) -> list[str]:
    return [device for device in ("auto", "cpu", "cuda") if device.startswith(incomplete)]


def rivals(incomplete: str) -> list[str]:
    """One more architecture or model from outside, after the last comma."""
    from aesm_dsl.spec.baseline import ARCHITECTURES, OUTSIDE_MODELS

    before, comma, typed = incomplete.rpartition(",")
    return [
        f"{before}{comma}{name}"
        for name in (*ARCHITECTURES, *OUTSIDE_MODELS)
        if name != "aes" and name.startswith(typed) and name not in before.split(",")
    ]


def _below(incomplete: str) -> Iterator[tuple[str, bool]]:
    """Yields files and run folders whose path begins with the word, the nearest first, and whether each is a run.

    Hidden files, and files within a run, are left out.
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
