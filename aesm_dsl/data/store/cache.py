"""The cache of encoded tables, from one run to the next.

An entry is a folder, named by a digest of everything that decides its contents: the version of its format, the part of
the plan that rows are read by, and the path, size, modification time and (of parquet) footer of every file. An entry
appears complete or not at all, and is used only as it was written: a damaged one is made anew. One process makes it;
others that need the same one wait. Expired entries (`cache_eviction`) are removed when a new one is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from aesm_dsl.data.cache_eviction import evict_expired, mark_used
from aesm_dsl.data.reading.data_file import DataFile, parquet_footer
from aesm_dsl.data.reading.file_endings import PARQUET
from aesm_dsl.files.manifest import DamagedError, OtherFormatError, open_manifest, write_manifest
from aesm_dsl.files.temporary import clear_leftovers, remove_folder
from aesm_dsl.files.whole import replaced_folder
from aesm_dsl.plan.plan import Plan
from aesm_dsl.version import VERSION

FORMAT = 7
"""Version of the entries' format. It also stands for the rules of `values`, `splits` and `fitting`."""
MANIFEST = "entry.json"


def cache_folder(plan: Plan, roots: Sequence[Path]) -> Path:
    """Returns the folder that the plan names, relative to the spec's folder; else aesm's folder in the user's cache."""
    named = plan.data.cache if plan.data is not None else None
    return roots[0] / named if named is not None else platformdirs.user_cache_path("aesm") / "tables"


def entry_key(plan: Plan, files: Mapping[str, Sequence[DataFile]]) -> str:
    """Returns the name of the entry for these files (part -> files) under this plan.

    Raises:
        OSError: a file is gone.
    """
    data = asdict(plan.data) if plan.data is not None else {}
    decides = {
        "format": [FORMAT, VERSION],
        "files": {part: [_version_of(file) for file in own] for part, own in files.items()},
        "features": [asdict(feature) for feature in plan.all_features],
        "levels": [
            [level.name, level.column, level.unknown, [asdict(node) for node in level.nodes]] for level in plan.levels
        ],
        "tasks": [[task.name, task.column, task.rule, task.value, task.where] for task in plan.tasks.tasks],
        "data": {name: value for name, value in data.items() if name != "cache"},
        "seed": plan.training.seed,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:32]


@contextmanager
def lock_entry(folder: Path, key: str) -> Iterator[Path]:
    """Yields the entry's folder, while no other process makes the same entry.

    Raises:
        OSError: the cache folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    with FileLock(folder / f".{key}.lock"):
        yield folder / key


@contextmanager
def new_entry(entry: Path) -> Iterator[Path]:
    """Yields a folder that becomes the entry when the block ends; after an error nothing remains."""
    with replaced_folder(entry) as making:
        yield making
        write_manifest(making, MANIFEST, FORMAT, {})
    evict_expired(entry.parent, entry)


def use_entry(entry: Path, required: Iterable[str]) -> str | None:
    """Marks an entry as used if there is one and it is as it was written; one that is not is removed.

    Args:
        entry: its folder.
        required: the files that every entry has.

    Returns:
        None if it can be used; else why not, which is empty if there is none.
    """
    if not entry.is_dir():
        return ""
    try:
        open_manifest(entry, MANIFEST, FORMAT, required=required)
    except (DamagedError, OtherFormatError) as error:
        remove_folder(entry)
        return str(error)
    mark_used(entry)
    return None


def _version_of(file: DataFile) -> list[Any]:
    stat = file.path.stat()
    return [str(file.path.resolve()), stat.st_size, stat.st_mtime_ns, _footer_digest(file)]


def _footer_digest(file: DataFile) -> str:
    """The digest of the last MiB of a parquet file's footer, which has the bounds of every column."""
    return hashlib.sha256(parquet_footer(file.path)[-(2**20) :]).hexdigest() if file.kind == PARQUET else ""
