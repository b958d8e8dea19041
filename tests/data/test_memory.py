"""A table larger than the memory there is trains; reading it whole does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import PROJECT

ROWS, COLUMNS = 1_500_000, 40
"""Encoded, a column takes 4 bytes a row: 240 MB."""

SPEC = """
aesm = 1
model large {
  features all { FEATURES }
  tasks { task y; experts { count = 2; hidden = [4]; specific = 1; shared = 1 } }
  train { batch = 1024 rows; noise = none }
  data { train = "large.parquet"; test = split(random: 1%); cache = "cache" }
}
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit is Linux's")
def test_a_table_four_times_the_memory(tmp_path: Path) -> None:
    """The encoded rows are four times what the process may have; the whole frame does not fit either."""
    names = [f"c{place}" for place in range(COLUMNS)]
    column = np.random.default_rng(0).integers(0, 50, ROWS).astype(np.int64)
    frame = pl.DataFrame({**{name: column for name in names}, "y": column % 2})
    frame.write_parquet(tmp_path / "large.parquet", row_group_size=50_000)
    frame[:5000].write_parquet(tmp_path / "small.parquet")
    features = "; ".join(f"{name} = category(embed: 1)" for name in names)
    (tmp_path / "spec.aesm").write_text(SPEC.replace("FEATURES", features), encoding="utf-8")
    threads = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    mib = ROWS * COLUMNS * 4 // 4 // 2**20
    for how in ("stream", "whole"):
        command = [sys.executable, "-m", "tests.data.limited", str(tmp_path), str(mib), how]
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env={**os.environ, **threads},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        if how == "stream":
            assert done.returncode == 0, done.stderr[-2000:]
            assert "'steps'" not in done.stdout
            assert "20" in done.stdout.splitlines()[-1]
        else:
            assert done.returncode != 0
