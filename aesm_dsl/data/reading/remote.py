"""Files of other machines -> copies on this one, by fsspec: `s3://`, `gs://`, `hdfs://` and whatever else it knows.

Each file is copied once, whole, into the user's own folder for caches, and is then a file like any other; a file that
has changed since is copied again. Copies that nobody has used for KEPT_DAYS (kept.py) are removed when another is made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs

from aesm_dsl.data.store.cache_eviction import evict_expired, mark_used
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span


def is_remote(pattern: str) -> bool:
    return "://" in pattern


def fetch(
    pattern: str, endings: Sequence[Sequence[str]], span: Span | None, findings: Findings
) -> list[tuple[Path, str]]:
    """Copies of the files that a URL means, each with its own URL, in the order of these.

    endings  kinds of files; of a folder, all files of the first kind that there is any of
    Adds E501 for a URL that nothing is at, E502 where fsspec or the other machine refuses; returns nothing then.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(pattern)
        paths = _paths(system, path, endings)
        if not paths:
            findings.add("E501", f"no file `{pattern}`", span, label="nothing found")
        return [(_copied(system, one), system.unstrip_protocol(one)) for one in paths]
    except ImportError as error:
        helps = ["`pip install 'aesm-dsl[remote]'`", f"fsspec says: {_first(error)}"]
        findings.add("E502", f"`{pattern}` cannot be read without a package that is not installed", span, help=helps)
    except Exception as error:  # every file system has errors of its own
        findings.add("E502", f"`{pattern}` cannot be read", span, help=f"fsspec says: {_first(error)}")
    return []


def _paths(system: Any, path: str, endings: Sequence[Sequence[str]]) -> list[str]:
    if any(sign in path for sign in "*?[") and not system.exists(path):
        hits: list[str] = sorted(system.glob(path))
    else:
        hits = [path] if system.exists(path) else []
    found: list[str] = []
    for hit in hits:
        found.extend(_below(system, hit, endings) if system.isdir(hit) else [hit])
    return found


def _below(system: Any, folder: str, endings: Sequence[Sequence[str]]) -> list[str]:
    inside = sorted(system.find(folder))
    seen = [one for one in inside if not any(part[:1] in "._" for part in one[len(folder) :].split("/") if part)]
    for kind in endings:
        if files := [one for one in seen if one.endswith(tuple(kind))]:
            return files
    return []


def _copied(system: Any, path: str) -> Path:
    mark = hashlib.sha256(f"{system.unstrip_protocol(path)} {system.ukey(path)}".encode()).hexdigest()[:32]
    folder = platformdirs.user_cache_path("aesm") / "remote"
    copy = folder / mark / path.rsplit("/", 1)[-1]
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".", dir=copy.parent))
        try:
            system.get_file(path, str(new / copy.name))
            os.replace(new / copy.name, copy)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        evict_expired(folder, copy.parent)
    mark_used(copy.parent)
    return copy


def _first(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
