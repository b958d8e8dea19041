"""Memory follows the chunks and the window of rows, not the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import PROJECT

SMALL, ROWS, COLUMNS = 600_000, 3_000_000, 10

SPEC = """
aesm = 1
model large {
  features all { FEATURES }
  tasks { task y; experts { count = 2; hidden = [4]; specific = 1; shared = 1 } }
  train { batch = 1024 rows; noise = none }
  data { train = "large.parquet"; test = split(random: 1%); cache = "cache" }
}
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is told by Linux")
def test_training_takes_less_memory_than_its_table(tmp_path: Path) -> None:
    """The columns alone, 8 bytes a cell, are 240 MB; libraries and a smaller training are there already."""
    names = [f"c{place}" for place in range(COLUMNS)]
    column = np.random.default_rng(0).integers(0, 50, ROWS)
    frame = pl.DataFrame({**dict.fromkeys(names, column), "y": column % 2})
    frame.write_parquet(tmp_path / "large.parquet", row_group_size=50_000)
    frame[:SMALL].write_parquet(tmp_path / "small.parquet")
    features = "; ".join(f"{name} = category(embed: 1)" for name in names)
    (tmp_path / "spec.aesm").write_text(SPEC.replace("FEATURES", features), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.peak", str(tmp_path)],
        cwd=PROJECT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < ROWS * COLUMNS * 8 / 2**20
