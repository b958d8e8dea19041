"""Temporary files and folders beside the place where they are to appear: `.NAME.1a2b3c4d.aesm-partial`.

Whoever writes one holds a lock on it, which ends with its process, however that ends. What nobody holds was left by a
process that was killed, and the next one that writes into the same folder removes it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL, OLD = "aesm-partial", "aesm-old"
"""Endings of what is not complete yet, and of a folder that a new one replaces."""

TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{8}}\.(?:{PARTIAL}|{OLD})", re.DOTALL)

LONGEST_NAME = 200
"""Bytes of a name that leave room for the rest: file systems take 255."""

ABANDONED_SECONDS = 86_400
"""Age at which a temporary file counts as left behind where files cannot be locked."""

_own: set[Path] = set()
"""What this process writes now."""


def temporary_name(name: str, ending: str) -> str:
    """Returns a new name for what is written in the place of `name`, or moved away from it."""
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f".{name}.{secrets.token_hex(4)}.{ending}"


@contextmanager
def temporary(path: Path, *, folder: bool) -> Iterator[Path]:
    """Yields a new empty file or folder beside `path`; what is still there when the block ends is removed.

    Its permissions are those that the umask leaves. Before it is made, `clear_leftovers` is called.

    Raises:
        OSError: the folder of `path` cannot be written.
    """
    clear_leftovers(path.parent)
    while True:
        new, lock = path.with_name(temporary_name(path.name, PARTIAL)), None
        _own.add(new)
        try:
            lock = _create(new, folder)
            if lock is not None:
                yield new
                return
        finally:  # also if it is interrupted before anything is written
            if lock is not None:
                os.close(lock)
            remove(new)
            _own.discard(new)


def remove_own() -> None:
    """Removes what this process is writing: for an end at once, after which no block ends."""
    for path in list(_own):
        remove(path)


def _create(new: Path, folder: bool) -> int | None:
    """Makes a file or folder; returns the descriptor that holds its lock, None if another process took it for left."""
    if folder:
        new.mkdir()
    try:
        lock = os.open(new, os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileNotFoundError:
        if folder:
            return None
        raise
    if _locked(lock) and new.exists():
        return lock
    os.close(lock)
    return None


def _locked(descriptor: int) -> bool:
    """Whether the file is locked now; True where the file system has no locks: then nothing is cleared by them."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def clear_leftovers(folder: Path) -> None:
    """Removes what killed processes have left in a folder. A folder moved away whose place is empty goes back to it.

    What cannot be removed stays.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if TEMPORARY.fullmatch(entry.name):
                _clear(folder / entry.name)


def _clear(path: Path) -> None:
    with suppress(OSError):
        lock = os.open(path, os.O_RDONLY)
        try:
            if _abandoned(lock) and not _put_back(path):
                remove(path)
        finally:
            os.close(lock)


def _abandoned(lock: int) -> bool:
    if fcntl is None:
        return time.time() - os.fstat(lock).st_mtime > ABANDONED_SECONDS
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _put_back(path: Path) -> bool:
    """Gives a folder that was moved away its name again if nothing has taken it; returns whether that was so."""
    if not path.name.endswith(OLD):
        return False
    place = path.with_name(path.name[1 : -len(OLD) - 10])
    if place.exists():
        return False
    os.rename(path, place)
    return True


def remove(path: Path) -> None:
    """Removes a file or a folder if it is there. What cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Removes a folder at once: it loses its name before its content, so that nobody finds a part of it."""
    gone = folder.with_name(temporary_name(folder.name, PARTIAL))
    with suppress(FileNotFoundError):
        os.rename(folder, gone)
        remove(gone)
