"""Files at a URL (`s3://`, `gs://`, `hdfs://` and everything else that fsspec knows) -> copies on this machine.

Each file is copied once, as a whole, into the user's cache folder, and the copy is then read like any other file. It is
copied again after it has changed (`local_copy`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aesm_dsl.data.reading.find_pattern import Pattern, files_of
from aesm_dsl.data.reading.local_copy import local_copy
from aesm_dsl.data.reading.place import Remote


def is_remote(pattern: str) -> bool:
    """Whether a path of the spec is a URL."""
    return "://" in pattern


def fetch(pattern: Pattern) -> list[tuple[Path, str]]:
    """Copies the files that a URL means.

    Adds E501 if nothing is at the URL, E502 if fsspec or the other machine refuses, and what `files_of` adds.

    Args:
        pattern: the URL of a file or folder, or a glob.

    Returns:
        The path of each copy and the URL of its file, in the order of the URLs; nothing after an error.
    """
    url, span, findings = pattern.text, pattern.span, pattern.findings
    try:
        import fsspec

        before = len(findings.errors)
        system, path = fsspec.core.url_to_fs(url)
        paths = files_of(pattern, Remote(system), path)
        if not paths and len(findings.errors) == before:
            findings.add("E501", f"no file `{url}`", span, label="nothing found")
        return [(_copy(system, file), system.unstrip_protocol(file)) for file in paths]
    except ImportError as error:
        helps = ["`pip install 'aesm-dsl[remote]'`", f"fsspec says: {_first_line(error)}"]
        findings.add("E502", f"`{url}` cannot be read without a package that is not installed", span, help=helps)
    except Exception as error:  # every file system has its own exceptions
        findings.add("E502", f"`{url}` cannot be read", span, help=f"fsspec says: {_first_line(error)}")
    return []


def _copy(system: Any, path: str) -> Path:
    """The copy of a file, made if there is none of its present version (`ukey` changes with the file)."""
    version = f"{system.unstrip_protocol(path)} {system.ukey(path)}"
    return local_copy("remote", version, path.rsplit("/", 1)[-1], lambda copy: system.get_file(path, str(copy)))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
