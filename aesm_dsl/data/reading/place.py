"""`Place`: where files are, this machine or a file system of fsspec, in the few words that finding files needs."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aesm_dsl.data.reading.file_type import HEAD, first_bytes


class Place(Protocol):
    """A file system. Its paths are whole, with `/` between names."""

    def matches(self, path: str) -> list[str]:
        """Returns the file or folder with this path, else all that it matches as a glob, in the order of their
        names."""

    def is_folder(self, path: str) -> bool:
        """Returns whether a path is a folder."""

    def below(self, folder: str) -> list[str]:
        """Returns the paths, from the folder, of all files below it, in the order of their names."""

    def names(self, folder: str) -> Sequence[str]:
        """Returns the names of what is in a folder; none if it is no folder."""

    def head(self, path: str) -> bytes:
        """Returns the first bytes of a file; none if it cannot be read."""


class Disk:
    """The file system of this machine."""

    def matches(self, path: str) -> list[str]:
        # A file may have `*`, `?` or `[` in its own name.
        return [path] if Path(path).exists() else sorted(glob.glob(path, recursive=True))

    def is_folder(self, path: str) -> bool:
        return Path(path).is_dir()

    def below(self, folder: str) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())

    def names(self, folder: str) -> Sequence[str]:
        try:
            return [path.name for path in Path(folder).iterdir()]
        except OSError:
            return ()

    def head(self, path: str) -> bytes:
        return first_bytes(Path(path))


@dataclass(frozen=True, slots=True)
class Remote:
    """A file system of fsspec."""

    system: Any

    def matches(self, path: str) -> list[str]:
        if self.system.exists(path):
            return [path]
        return sorted(self.system.glob(path)) if any(sign in path for sign in "*?[") else []

    def is_folder(self, path: str) -> bool:
        return bool(self.system.isdir(path))

    def below(self, folder: str) -> list[str]:
        return sorted(path[len(folder.rstrip("/")) + 1 :] for path in self.system.find(folder))

    def names(self, folder: str) -> Sequence[str]:
        # Whatever a file system raises here, reading the files will raise it again.
        try:
            return [entry.rstrip("/").rpartition("/")[2] for entry in self.system.ls(folder, detail=False)]
        except Exception:
            return ()

    def head(self, path: str) -> bytes:
        try:
            with self.system.open(path, "rb") as file:
                return bytes(file.read(HEAD))
        except Exception:
            return b""


@dataclass(frozen=True, slots=True)
class Within:
    """A folder of a place: a `LookIn`, whose paths count from there."""

    place: Place
    folder: str

    def names(self, folder: str) -> Sequence[str]:
        return self.place.names(f"{self.folder}/{folder}" if folder else self.folder)

    def head(self, path: str) -> bytes:
        return self.place.head(f"{self.folder}/{path}")
