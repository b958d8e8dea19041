"""A folder's manifest: a JSON file with a format, values, and the digests of the folder's parts and of itself.

{"format": 3, ..., "sha256": {"plan.json": "9f86...", "events/train.0": "60ba...", "run.json": "fd61..."}}

A folder is opened only as it was written: every part is there, no link, and has its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aesm_dsl.files.whole import write_text

DIGESTS = "sha256"


class DamagedError(Exception):
    """A folder is not as it was written; the message says which of its parts are not."""


class OtherFormatError(Exception):
    """A folder was written by a version with another format."""

    def __init__(self, found: object, expected: int) -> None:
        super().__init__(f"it has format {found}, this version reads format {expected}")


def write_manifest(folder: Path, name: str, version: int, values: Mapping[str, Any]) -> None:
    """Writes the manifest of all files that are in a folder, those in folders of it too.

    Args:
        folder: the folder, complete but for its manifest.
        name: the manifest's file.
        version: the version of the folder's format.
        values: what else it says, as JSON has it. "format" and "sha256" are its own.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = {"format": version, **values}
    content[DIGESTS] = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    content[DIGESTS][name] = _own_digest(content, name)
    write_text(folder / name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def open_manifest(
    folder: Path, name: str, version: int, *, required: Iterable[str], may_be_removed: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns the manifest's values, once every part of the folder has its digest.

    Args:
        folder: the folder.
        name: the manifest's file.
        version: the version of the folder's format.
        required: parts that every such folder has.
        may_be_removed: parts, or folders of parts, that a user may have removed. If they are there, they are unchanged.

    Raises:
        DamagedError: a part is missing, changed or a link, or the manifest is not the one that was written.
        OtherFormatError: the folder is of another version.
    """
    absent = [part for part in (name, *required) if not (folder / part).is_file()]
    if absent:
        raise DamagedError(f"{_listed(absent)} missing")
    content = _read(folder / name)
    if content.get("format") != version:
        raise OtherFormatError(content.get("format"), version)
    digests = content[DIGESTS]
    if digests.get(name) != _own_digest(content, name):
        raise DamagedError(f"`{name}` changed since it was written")
    removed, linked, changed = [], [], []
    for part in sorted({*digests, *required} - {name}):
        path = folder / part
        if not path.is_file():
            removed += [] if any(part == one or part.startswith(f"{one}/") for one in may_be_removed) else [part]
        elif not path.resolve().is_relative_to(folder.resolve()) or _through_link(folder, part):
            linked.append(part)
        elif digests.get(part) != file_digest(path):
            changed.append(part)
    if linked or (folder / name).is_symlink():
        raise DamagedError(f"{_listed(linked or [name])} leads elsewhere")
    if removed or changed:
        what = [f"{_listed(removed)} missing"] * bool(removed) + [f"{_listed(changed)} changed since it was written"]
        raise DamagedError("; ".join(what[: len(what) if changed else 1]))
    return {key: value for key, value in content.items() if key not in ("format", DIGESTS)}


def digests_of(folder: Path, name: str) -> dict[str, str]:
    """Returns the digests in a manifest, of every part but the manifest. Raises DamagedError if it cannot be read."""
    digests: dict[str, str] = _read(folder / name)[DIGESTS]
    return {part: digest for part, digest in digests.items() if part != name}


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """The content of a manifest, whose digests are texts."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if all(type(digest) is str for digest in content[DIGESTS].values()):
            return content
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise DamagedError(f"`{path.name}` is no manifest")


def _own_digest(content: Mapping[str, Any], name: str) -> str:
    """The digest of a manifest's content, but for this digest itself."""
    digests = {part: digest for part, digest in content[DIGESTS].items() if part != name}
    text = json.dumps({**content, DIGESTS: digests}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _through_link(folder: Path, part: str) -> bool:
    path = folder
    for step in part.split("/"):
        path /= step
        if path.is_symlink():
            return True
    return False


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(f"`{part}`" for part in parts)
