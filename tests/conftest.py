"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: examples have no time limit each.
settings.register_profile("aesm", deadline=None)
settings.load_profile("aesm")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real tables: AESM_DATA, else ../shared/data beside the project; skips where there is none."""
    project = Path(__file__).parent.parent
    folder = Path(os.environ.get("AESM_DATA") or project.parent / "shared" / "data")
    if not any(folder.glob("*.parquet")):
        pytest.skip(f"no real tables in {folder}; set AESM_DATA to their folder")
    return folder
