"""Measures `aesm predict` for tables of several sizes: peak resident memory, and rows per second of CPU time.

    python bench/predicting.py [--rows 250000 1000000 2000000] [--keep user_id] [--folder FOLDER]

The network is that of specs/fund_search.aesm, as `aesm simulate` writes it, trained for 50 steps. The tables repeat its
simulated test rows, as parquet in row groups of 100,000. Each table is predicted in a process of its own.
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
    """Runs a command of aesm; returns its peak resident MiB, and its seconds of CPU time and of wall time."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "aesm_dsl", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    messages = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(messages)
    return usage.ru_maxrss / 2**10, usage.ru_utime + usage.ru_stime, time.perf_counter() - began


def write_table(source: pl.DataFrame, rows: int, path: Path) -> None:
    """Writes a table that repeats the rows of the source."""
    times = -(-rows // source.height)
    pl.concat([source.lazy()] * times).head(rows).sink_parquet(path, row_group_size=GROUP_ROWS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000, 2_000_000])
    parser.add_argument("--keep", default="user_id")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    table = Table("rows", "peak MiB", "CPU s", "wall s", "rows / CPU s")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        aesm(folder, "simulate", "-o", "fund", "--rows", "100k", "--seed", "1")
        steps = "--set=train.length=50 steps"
        aesm(folder, "train", "fund/fund_search.aesm", "-o", "run", "--device", "cpu", steps)
        source = pl.read_parquet(folder / "fund" / "test.parquet")
        for rows in options.rows:
            write_table(source, rows, folder / "rows.parquet")
            command = ["predict", "run", "rows.parquet", "-o", "scores.parquet", "--keep", options.keep, "--device=cpu"]
            peak, cpu, wall = aesm(folder, *command)
            table.add_row(f"{rows:,}", f"{peak:,.0f}", f"{cpu:,.0f}", f"{wall:,.0f}", f"{rows / cpu:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
