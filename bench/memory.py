"""Trains on a table that is several times larger than memory: `aesm train` under a limit that Linux enforces.

    python bench/memory.py [--limit-mib 1792] [--times 4] [--steps 300] [--folder FOLDER]

The limit is one of address space (RLIMIT_AS, which `ulimit -v` sets): the libraries' code, the stacks of all threads
and everything that is mapped count, and any allocation beyond it fails. The rows are those of bench/data.py. There are
so many that they take `times` the limit as plain columns (8 bytes for an integer or float, 1 for a label); one in a
hundred is a test row. Allocators reserve more addresses than they use: QUIET tells those of torch and polars not to.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from data import CATEGORIES, NUMBERS, Case, spec, write_rows
from rich.console import Console

ROW_BYTES = 8 * (CATEGORIES + NUMBERS) + 2
QUIET = {"MALLOC_ARENA_MAX": "1", "_RJEM_MALLOC_CONF": "retain:false,narenas:1"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit-mib", type=int, default=1792)
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    limit = options.limit_mib * 2**20
    rows = int(options.times * limit / ROW_BYTES)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_rows(Case(folder, rows, 1))
        (folder / "spec.aesm").write_text(spec(), encoding="utf-8")
        console = Console()
        console.print(f"{rows:,} rows, {rows * ROW_BYTES / 2**20:,.0f} MiB of columns; limit {options.limit_mib:,} MiB")
        settings = [f"train.length={options.steps} steps", "data.test=split(random: 1%)"]
        command = ["train", "spec.aesm", "-o", "run", "--device", "cpu", *(f"--set={setting}" for setting in settings)]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "aesm_dsl", *command],
            cwd=folder,
            env={**os.environ, **QUIET},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
            capture_output=True,
            text=True,
            check=False,
        )
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        console.print(done.stdout if done.returncode == 0 else done.stderr[-2000:])
        console.print(
            f"ended with {done.returncode}; peak of {usage.ru_maxrss / 2**10:,.0f} MiB resident memory; "
            f"{usage.ru_utime + usage.ru_stime:,.0f} s of CPU time, {time.perf_counter() - began:,.0f} s of wall time"
        )
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
