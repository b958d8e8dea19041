"""`Operation`: a system call that changes a file, read from what strace notes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from os.path import join
from pathlib import Path

TAKING = (
    "open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range",
    "ftruncate", "fallocate", "fsync", "fdatasync", "mkdir", "mkdirat", "rename", "renameat", "renameat2",
)  # fmt: skip
"""System calls that a full disk may fail."""

CHANGING = (
    *TAKING, "truncate", "unlink", "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat",
    "chmod", "fchmod", "fchmodat",
)  # fmt: skip
"""System calls that change files."""

_CALL = re.compile(r"(\d+) +(\w+)\((.*)")
_OPENED = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")
_AT = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"')
_FILE = re.compile(r"^\d+<(/[^>]*)>")
_TEXT = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Operation:
    """A call that changes files."""

    call: str
    number: int
    """Which of the calls of this name it is in its thread, from 1: what strace counts."""
    paths: tuple[str, ...]
    """From the working folder."""
    within: str = ""
    """If not empty, only calls on this path are counted: another thread does its n-th call of the name first."""

    @property
    def text(self) -> str:
        return f"{self.call} {', '.join(self.paths)}"

    def options(self, what: str) -> list[str]:
        """Returns options of strace that do `what` ("signal=SIGKILL", "error=ENOSPC") at this operation."""
        of_path = ["-P", self.within] if self.within else []
        return [*of_path, "-e", f"inject={self.call}:{what}:when={self.number}"]


def operations(trace: str, folder: Path, others: re.Pattern[str]) -> tuple[Operation, ...]:
    """Returns the operations on what lies below the folder, in their order, but not on files whose path is an other."""
    counts = Counter[tuple[str, ...]]()
    found, taken = list[Operation](), set[tuple[object, ...]]()
    for line in trace.splitlines():
        if (match := _CALL.match(line)) is None:
            continue
        thread, call, words = match.groups()
        paths = [path for path in _paths(call, words, folder) if path.startswith(f"{folder}/")]
        counts[thread, call] += 1
        count = counts[thread, call]
        first = (call, count) not in taken
        taken.add((call, count))
        if not paths:
            continue
        counts[thread, call, paths[0]] += 1
        of_path = counts[thread, call, paths[0]]
        inside = tuple(path.removeprefix(f"{folder}/") for path in paths)
        if all(map(others.match, inside)):
            continue
        if first:
            found.append(Operation(call, count, inside))
        elif (call, of_path, paths[0]) not in taken:
            found.append(Operation(call, of_path, inside, paths[0]))
        taken.add((call, of_path, paths[0]))
    return tuple(found)


def _paths(call: str, words: str, folder: Path) -> list[str]:
    """The files that the call changes."""
    if call.startswith("open") and not _OPENED.search(words):
        return []
    if call.endswith(("at", "at2")):
        return [join(*parts) for parts in _AT.findall(words)]
    if words[0].isdigit():
        return _FILE.findall(words)[:1]
    return [join(folder, path) for path in _TEXT.findall(words)]
