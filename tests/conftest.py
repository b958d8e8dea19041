"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).parent.parent

# One thread a process, set before torch is loaded: the tests run side by side, and threads that wait for each other
# on the same cores are slower than none.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The width of what commands print is that of no terminal: xdist hands on the one that it runs in.
os.environ.pop("COLUMNS", None)

# Where the real tables are is for the tests that ask for them: what aesm tells of a missing file names this folder too.
# The processes of xdist inherit the environment from one that has read this already.
_GIVEN = os.environ.setdefault("AESM_TESTS_DATA", os.environ.pop("AESM_DATA", ""))
REAL_DATA = Path(_GIVEN or PROJECT.parent / "shared" / "data")

SWEEP = "AESM_SWEEP" in os.environ
"""Whether every combination is tried, as `make sweeps` does, or only what differs most."""

# Caches are the tests' own, those of the processes that they start too.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="aesm-tests-cache-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def examples(few: int) -> int:
    """How many examples are drawn for a property: a few, and in sweeps ten times as many."""
    return 10 * few if SWEEP else few


# A busy machine is no failure: examples have no time limit each.
settings.register_profile("aesm", deadline=None, max_examples=examples(40))
settings.load_profile("aesm")


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Whether it becomes true in this time; returns as soon as it is."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


SLOW = (
    "training/fit/test_precision.py",
    "serving/test_export.py",
    "api/test_compare.py",
    "api/test_api.py",
    "training/distributed/test_together.py",
    "training/distributed/test_sharded.py",
    "test_docs.py",
    "training/run/test_resume.py",
    "cli/test_init.py",
    "findings/test_codes.py",
    "serving/test_predict.py",
    "kills/test_kills.py",
    "test_examples.py",
    "serving/test_parity.py",
    "plan/test_sizing.py",
    "report/test_large_page.py",
    "training/run/test_mlflow_tracking.py",
    "api/test_tune.py",
    "serving/test_score_pt2.py",
    "training/test_baselines.py",
)
"""Modules that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts slow modules first, in turn into both halves: xdist gives a worker a half, and its rest to who is idle."""
    tests = Path(__file__).parent
    names = {path: place for place, path in enumerate(SLOW)}
    halves: tuple[list[pytest.Item], list[pytest.Item]] = [], []
    rest = []
    for item in items:
        place = names.get(item.path.relative_to(tests).as_posix())
        (rest if place is None else halves[place % 2]).append(item)
    for half in halves:
        half.sort(key=lambda item: names[item.path.relative_to(tests).as_posix()])
    middle = max(0, len(items) // 2 - len(halves[0]))
    items[:] = [*halves[0], *rest[:middle], *halves[1], *rest[middle:]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite golden files from what the code prints now")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with a golden file; `pytest --accept` rewrites the file instead."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--accept"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"no {path.relative_to(PROJECT)}; `make accept` writes it"
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(PROJECT)} differs; see `make accept`"

    return compare


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real tables: AESM_DATA, else ../shared/data beside the project; skips where there is none."""
    if not any(REAL_DATA.glob("*.parquet")):
        pytest.skip(f"no real tables in {REAL_DATA}; set AESM_DATA to their folder")
    return REAL_DATA
