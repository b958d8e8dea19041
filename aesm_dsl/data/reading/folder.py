"""Which files of a folder are its rows: decided by their names, on this machine and at a URL alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aesm_dsl.data.reading.file_endings import ARROW, KINDS, kind_of_name
from aesm_dsl.data.reading.file_type import STREAM, file_type

HIDDEN = "hidden: their names begin with `_` or `.`"
CACHES = "caches of `datasets`"
NO_ROWS = "without rows"
OTHER_TYPE = "of another type"
UNKNOWN = "of a type that is not read"
QUIET = (HIDDEN, CACHES, NO_ROWS)
"""Reasons that nobody has to be told of: such files lie beside rows everywhere."""

_CACHE = re.compile(r"(?:cache-[0-9a-f]+(?:_\d+_of_\d+)?|tmp\w+)\.arrow")
_SPLIT = re.compile(r"(?:.*-)?(train|test|validation|valid|dev|unsupervised)(?:-\d{5}-of-\d{5})?\.arrow")
_BESIDE_ROWS = (
    *(".crc", ".md", ".rst", ".sql", ".py", ".ipynb", ".aesm", ".sh", ".lock", ".log", ".png", ".svg", ".html"),
    *(".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".pdf", ".license", ".md5", ".sha256"),
)
_NAMED_BESIDE_ROWS = frozenset(
    ("dataset_info.json", "state.json", "dataset_dict.json", "license", "readme", "readme.txt", "makefile")
)
"""Endings and names of files that lie beside rows."""
_DESCRIPTIONS = {"state.json", "dataset_info.json"}


class LookIn(Protocol):
    """A folder, on this machine or elsewhere, whose paths count from there."""

    def names(self, folder: str) -> Sequence[str]:
        """Returns the names of what is in a folder; none if it is no folder."""

    def head(self, path: str) -> bytes:
        """Returns the first bytes of a file; none if it cannot be read."""


@dataclass(slots=True)
class Choice:
    """The files of a folder that are read, and those that are not."""

    files: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the files."""

    def leave_out(self, reason: str, path: str) -> None:
        """Records that a file is not read."""
        self.left_out.setdefault(reason, []).append(path)

    @property
    def told(self) -> bool:
        """Whether files are left out that might be rows."""
        return any(reason not in QUIET for reason in self.left_out)

    @property
    def reasons(self) -> list[str]:
        """Why files are left out: how many for each reason, and the first of them."""
        return [
            f"{len(paths):,} {reason}: `{paths[0]}`{' and so on' if len(paths) > 1 else ''}"
            for reason, paths in self.left_out.items()
        ]


def choose_files(paths: Iterable[str], look: LookIn, *, one_type: bool, csv_is_stated: bool) -> Choice:
    """Returns which files of a folder are its rows.

    Args:
        paths: the paths of files below it, from there.
        look: looks into the folder.
        one_type: take only the files of the first type that there is any of.
        csv_is_stated: whether files are csv whose bytes and names say nothing.
    """
    choice, kinds = Choice(), dict[str, str]()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if is_hidden(path):
            choice.leave_out(HIDDEN, path)
        elif _CACHE.fullmatch(name) and _DESCRIPTIONS.intersection(look.names(folder)):
            choice.leave_out(CACHES, path)
        elif kind := kind_of_name(name):
            kinds[path] = kind
        elif name.casefold().endswith(_BESIDE_ROWS) or name.casefold() in _NAMED_BESIDE_ROWS:
            choice.leave_out(NO_ROWS, path)
        elif kind := file_type(name, look.head(path), csv_is_stated).kind:
            kinds[path] = ARROW if kind == STREAM else kind
        else:
            choice.leave_out(UNKNOWN, path)
    first = next((kind for kind in KINDS if kind in kinds.values()), "")
    for path, kind in kinds.items():
        if one_type and kind != first:
            choice.leave_out(OTHER_TYPE, path)
        else:
            choice.files.append(path)
    return choice


def is_hidden(path: str) -> bool:
    """Whether writers mean nobody to read a file: it or a folder on its path begins with `.`, or with `_` as no
    partition does."""
    return any(part.startswith(".") or (part.startswith("_") and "=" not in part) for part in path.split("/"))


def splits_of(paths: Sequence[str]) -> list[str]:
    """Returns the parts that a folder of the library `datasets` has side by side; fewer than two if it is no such
    folder.

    `DatasetDict.save_to_disk` makes a folder for each part, the library's cache a file or several shards.
    """
    if "dataset_dict.json" in paths:
        return sorted({path.partition("/")[0] for path in paths if "/" in path and not is_hidden(path)})
    if "dataset_info.json" not in paths or "state.json" in paths:
        return []
    return sorted({found.group(1) for path in paths if (found := _SPLIT.fullmatch(path))})
