"""Where encoded tables are kept from one run to the next.

An entry is a folder named by a digest of all that decides what is in it: the version of its form, the part of the plan
that rows are read by, and of every file its path, size, time of change and, of parquet, its footer. It appears whole or
not at all; one process makes it, others that want the same one wait for it. Entries that nobody has used for KEPT_DAYS
(kept.py) are removed when a new one is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.file_endings import PARQUET
from aesm_dsl.data.reading.parquet_footer import footer
from aesm_dsl.data.store.cache_eviction import evict_expired, mark_used
from aesm_dsl.plan.plan import Plan
from aesm_dsl.version import VERSION

FORMAT = 3
"""Version of the entries' form; the rules of value.py, split.py and fitting.py belong to it."""
LAST_FILE = "encoders.json"
"""The file that is written last: a folder without it never becomes an entry."""


def cache_folder(plan: Plan, roots: Sequence[Path]) -> Path:
    """The folder that the plan names, beside the spec if relative, else the user's own for aesm's caches."""
    named = plan.data.cache if plan.data is not None else None
    return roots[0] / named if named is not None else platformdirs.user_cache_path("aesm") / "tables"


def entry_key(plan: Plan, files: Mapping[str, Sequence[DataFile]]) -> str:
    """Raises OSError when a file is gone."""
    data = asdict(plan.data) if plan.data is not None else {}
    decides = {
        "format": [FORMAT, VERSION],
        "files": {part: [_mark(file) for file in own] for part, own in files.items()},
        "features": [asdict(feature) for feature in plan.features],
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
    """The entry's folder, while no other process makes the same one. Raises OSError where it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{key}.lock"):
        yield folder / key


@contextmanager
def new_entry(entry: Path) -> Iterator[Path]:
    """A folder that becomes the entry if its LAST file is there when the block ends, and else leaves nothing behind."""
    making = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        yield making
        if (making / LAST_FILE).exists():
            making.chmod(0o755)
            os.replace(making, entry)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    evict_expired(entry.parent, entry)


def use_entry(entry: Path) -> bool:
    """Whether there is such an entry; notes that it was used."""
    if not entry.is_dir():
        return False
    mark_used(entry)
    return True


def _mark(file: DataFile) -> list[Any]:
    found = file.path.stat()
    return [str(file.path.resolve()), found.st_size, found.st_mtime_ns, _footer(file.path)]


def _footer(path: Path) -> str:
    """Digest of the last MiB of what a parquet file says about itself, with the bounds of every column."""
    return hashlib.sha256(footer(path)[-(2**20) :]).hexdigest() if path.name.endswith(PARQUET) else ""
