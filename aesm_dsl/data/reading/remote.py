"""Files at a URL (`s3://`, `gs://`, `hdfs://` and everything else that fsspec knows) -> copies on this machine.

Each file is copied once, as a whole, into the user's cache folder, and the copy is then read like any other file. It is
copied again after it has changed. Expired copies (`cache_eviction`) are removed when another copy is made.
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

from aesm_dsl.data.cache_eviction import evict_expired, mark_used
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span


def is_remote(pattern: str) -> bool:
    """Whether a path of the spec is a URL."""
    return "://" in pattern


def fetch(
    pattern: str, endings: Sequence[Sequence[str]], span: Span | None, findings: Findings
) -> list[tuple[Path, str]]:
    """Copies the files that a URL means.

    Adds E501 if nothing is at the URL, E502 if fsspec or the other machine refuses.

    Args:
        pattern: the URL of a file or folder, or a glob.
        endings: the endings of each file type; a folder means all its files of the first type that it has any of.
        span: the URL's place in the spec.
        findings: takes the errors.

    Returns:
        The path of each copy and the URL of its file, in the order of the URLs; nothing after an error.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(pattern)
        paths = _matching_paths(system, path, endings)
        if not paths:
            findings.add("E501", f"no file `{pattern}`", span, label="nothing found")
        return [(_copy(system, file), system.unstrip_protocol(file)) for file in paths]
    except ImportError as error:
        helps = ["`pip install 'aesm-dsl[remote]'`", f"fsspec says: {_first_line(error)}"]
        findings.add("E502", f"`{pattern}` cannot be read without a package that is not installed", span, help=helps)
    except Exception as error:  # every file system has its own exceptions
        findings.add("E502", f"`{pattern}` cannot be read", span, help=f"fsspec says: {_first_line(error)}")
    return []


def _matching_paths(system: Any, path: str, endings: Sequence[Sequence[str]]) -> list[str]:
    if any(sign in path for sign in "*?[") and not system.exists(path):
        hits: list[str] = sorted(system.glob(path))
    else:
        hits = [path] if system.exists(path) else []
    files: list[str] = []
    for hit in hits:
        files.extend(_files_below(system, hit, endings) if system.isdir(hit) else [hit])
    return files


def _files_below(system: Any, folder: str, endings: Sequence[Sequence[str]]) -> list[str]:
    inside = sorted(system.find(folder))
    visible = [path for path in inside if not any(part[:1] in "._" for part in path[len(folder) :].split("/") if part)]
    for kind in endings:
        if files := [path for path in visible if path.endswith(tuple(kind))]:
            return files
    return []


def _copy(system: Any, path: str) -> Path:
    """The copy of a file, made if there is none of its present version (`ukey` changes with the file)."""
    digest = hashlib.sha256(f"{system.unstrip_protocol(path)} {system.ukey(path)}".encode()).hexdigest()[:32]
    folder = platformdirs.user_cache_path("aesm") / "remote"
    copy = folder / digest / path.rsplit("/", 1)[-1]
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


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
