"""How long what lies in a folder for caches is kept: as long as something uses it, and KEPT_DAYS beyond."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

RETENTION_DAYS = 14


def mark_used(path: Path) -> None:
    """Notes that a file or folder is used, where that may be written."""
    with suppress(OSError):
        os.utime(path)


def evict_expired(folder: Path, but: Path) -> None:
    """Removes what nothing has used for KEPT_DAYS."""
    oldest = time.time() - RETENTION_DAYS * 86_400
    for path in folder.iterdir():
        with suppress(OSError):
            if path != but and path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
