"""Cache retention: an entry of a cache folder expires if nothing has used it for RETENTION_DAYS.

The time of an entry's last use is its modification time. Used for the copies of remote files and for encoded tables.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

RETENTION_DAYS = 14


def mark_used(path: Path) -> None:
    """Records that a file or folder was used now, if it may be written."""
    with suppress(OSError):
        os.utime(path)


def evict_expired(folder: Path, keep: Path) -> None:
    """Removes the expired entries of a cache folder, but not `keep`. Entries that cannot be removed stay."""
    oldest = time.time() - RETENTION_DAYS * 86_400
    for path in folder.iterdir():
        with suppress(OSError):
            if path != keep and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
