"""Copies of files in the user's cache folder, each made once for every version of its original.

A copy is used only as it was written; a damaged one is made anew. Expired copies (`cache_eviction`) are removed when
another copy is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import platformdirs

from aesm_dsl.data.cache_eviction import evict_expired, mark_used
from aesm_dsl.files.manifest import DamagedError, OtherFormatError, open_manifest, write_manifest
from aesm_dsl.files.whole import replaced_folder

FORMAT = 1
"""Version of a copy's folder; one of another version is made anew."""

MANIFEST = "copy.json"


def local_copy(kind: str, version: str, name: str, write: Callable[[Path], None]) -> Path:
    """Returns the path of a copy, made if there is none of this version. A copy appears complete or not at all.

    Args:
        kind: the folder of the copies of this kind.
        version: a text that changes with the original.
        name: the name of the copy.
        write: writes the copy to a path; what it raises is passed on.
    """
    digest = hashlib.sha256(version.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    folder = platformdirs.user_cache_path("aesm") / kind
    entry = folder / digest
    if not _is_whole(entry, name):
        with replaced_folder(entry, overwrite=True) as new:
            write(new / name)
            write_manifest(new, MANIFEST, FORMAT, {})
        evict_expired(folder, entry)
    mark_used(entry)
    return entry / name


def _is_whole(entry: Path, name: str) -> bool:
    try:
        open_manifest(entry, MANIFEST, FORMAT, required=(name,))
    except (DamagedError, OtherFormatError):
        return False
    return True
