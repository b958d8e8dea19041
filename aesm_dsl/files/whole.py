"""Files and folders that appear whole or not at all, also if the process is killed or the disk is full on the way.

They are written under a temporary name beside their place, flushed to the disk, and renamed. An error in writing is an
OSError that names the place, not the temporary file.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aesm_dsl.files.temporary import OLD, TEMPORARY, remove, temporary, temporary_name

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""Numbers of the errors of a disk that takes no more."""

RENAME_EXCHANGE = 2
"""The flag of Linux's renameat2 that swaps two names."""


def unwritten(path: Path, error: OSError) -> str:
    """Returns the message for a path, or the file that the error names, that cannot be written."""
    return f"`{error.filename or path}` cannot be written: {(error.strerror or str(error)).lower()}"


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file completely or not at all, as `replaced` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file completely or not at all, as `replaced` does."""
    with replaced(path) as new:
        new.write_bytes(content)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yields a temporary file beside `path` to write to, which then replaces `path`; an error deletes it.

    The folder is created if needed. The mode of a replaced file is kept, that of a new one is what the umask leaves.

    Raises:
        OSError: the file cannot be written; `filename` is `path`.
    """
    with naming_place(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary(path, folder=False) as new:
            mode = stat.S_IMODE((path if path.exists() else new).stat().st_mode)
            yield new
            new.chmod(mode)  # the library that wrote it may have made it anew, for its owner alone
            _flush(new)
            os.replace(new, path)
        _flush_folder(path.parent)


@contextmanager
def replaced_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary folder beside `path` to write into, which then becomes `path`; an error deletes it.

    Args:
        path: the folder; the one above it is created if needed.
        overwrite: replace an older folder. At every moment one of the two has the name, where the file system can
            swap names; elsewhere the old one gets it back when the next command writes there.

    Raises:
        FileExistsError: the folder exists, and `overwrite` is False.
        OSError: the folder cannot be written; `filename` is `path` or a file in it.
    """
    with naming_place(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary(path, folder=True) as new:
            yield new
            file_mode = stat.S_IMODE(new.stat().st_mode) & 0o666
            for file in sorted(new.rglob("*")):
                if file.is_dir():
                    _flush_folder(file)
                else:
                    file.chmod(file_mode)
                    _flush(file)
            _flush_folder(new)
            if not path.exists():
                os.replace(new, path)
            elif not overwrite:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            elif not _swapped(new, path):
                old = path.with_name(temporary_name(path.name, OLD))
                os.rename(path, old)
                os.rename(new, path)
                remove(old)
        _flush_folder(path.parent)


@contextmanager
def naming_place(path: Path) -> Iterator[None]:
    """Turns what libraries raise when a file cannot be written into an OSError with its number and the file's place.

    An error about another file than the temporary one in the place of `path` is passed on as it is.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            if error.errno not in NO_ROOM and _number(error) is None:
                raise
            raise _os_error(error.errno or _number(error), str(error.strerror or error), path) from error
        # A file that is copied is named first, and its copy second.
        for name in (error.filename, error.filename2):
            within = _within_temporary(Path(os.fsdecode(name or "")), path)
            if within is not None:
                raise _os_error(error.errno, str(error.strerror), path / within) from error
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        raise _os_error(number, str(error), path) from error


def _within_temporary(file: Path, place: Path) -> Path | None:
    """The path of a file within what is written in the place's stead; None if it is not in it."""
    for above in (file, *file.parents):
        if above.parent == place.parent and TEMPORARY.fullmatch(above.name):
            return file.relative_to(above)
    return None


def _os_error(number: int | None, text: str, place: Path) -> OSError:
    return OSError(number, os.strerror(number) if number else text, str(place))


def _number(error: Exception) -> int | None:
    """The number of the system's error in a message of a library in Rust, as in `... (os error 28)`."""
    found = re.search(r"\(os error (\d+)\)|\bcode: (\d+), kind:", str(error))
    return int(found[1] or found[2]) if found else None


def _flush(file: Path) -> None:
    """Waits until the file's content is on the disk."""
    descriptor = os.open(file, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where folders can be opened."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # file systems of networks and of other machines may not flush folders
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _swapped(new: Path, old: Path) -> bool:
    """Gives two folders each other's name in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here = -100  # AT_FDCWD: paths are relative to the working folder
    return renameat2 is not None and not renameat2(here, os.fsencode(new), here, os.fsencode(old), RENAME_EXCHANGE)
