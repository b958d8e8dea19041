"""Copies of files in the user's cache folder, each made once for every version of its original.

Expired copies (`cache_eviction`) are removed when another copy is made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

from aesm_dsl.data.cache_eviction import evict_expired, mark_used


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
    copy = folder / digest / name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".", dir=copy.parent))
        try:
            write(new / name)
            os.replace(new / name, copy)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        evict_expired(folder, copy.parent)
    mark_used(copy.parent)
    return copy
