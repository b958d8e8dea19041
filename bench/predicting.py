"""What `aesm predict` takes for tables of several sizes: resident memory at most, and rows a second of computing.

    python bench/predicting.py [--rows 250000 1000000 2000000] [--keep user_id] [--folder FOLDER]

The network of specs/fund_search.aesm, as `aesm simulate` writes it, trained for 50 steps; its own simulated rows, again
and again, as parquet in row groups of 100,000. Each table is predicted in a process of its own, which tells its peak.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

GROUP_ROWS = 100_000


def aesm(folder: Path, *words: str) -> tuple[float, float, float]:
    """MiB resident at most, seconds of computing, seconds by the clock."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "aesm_dsl", *words]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert running.stderr is not None
    said = running.stderr.read().decode()
    _, status, spent = os.wait4(running.pid, 0)
    if status:
        raise SystemExit(said)
    return spent.ru_maxrss / 2**10, spent.ru_utime + spent.ru_stime, time.perf_counter() - began


def write_table(source: pl.DataFrame, rows: int, path: Path) -> None:
    """The source's rows again and again."""
    times = -(-rows // source.height)
    pl.concat([source.lazy()] * times).head(rows).sink_parquet(path, row_group_size=GROUP_ROWS)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000, 2_000_000])
    words.add_argument("--keep", default="user_id")
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    found = Table("rows", "peak MiB", "CPU s", "s", "rows / CPU s")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        aesm(folder, "simulate", "-o", "fund", "--rows", "100k", "--seed", "1")
        steps = "--set=train.length=50 steps"
        aesm(folder, "train", "fund/fund_search.aesm", "-o", "run", "--device", "cpu", steps)
        source = pl.read_parquet(folder / "fund" / "test.parquet")
        for rows in given.rows:
            write_table(source, rows, folder / "rows.parquet")
            command = [
                "predict",
                "run",
                "rows.parquet",
                "-o",
                "scores.parquet",
                "--keep",
                given.keep,
                "--device",
                "cpu",
            ]
            peak, cpu, wall = aesm(folder, *command)
            found.add_row(f"{rows:,}", f"{peak:,.0f}", f"{cpu:,.0f}", f"{wall:,.0f}", f"{rows / cpu:,.0f}")
    Console().print(found)


if __name__ == "__main__":
    main()
