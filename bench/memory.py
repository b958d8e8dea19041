"""A table of several times the memory that a training may have: `aesm train` under a limit that Linux keeps.

    python bench/memory.py [--limit-mib 1792] [--times 4] [--steps 300] [--folder FOLDER]

The limit is one of address space (RLIMIT_AS, what `ulimit -v` sets): the libraries' code, the stacks of all threads and
whatever is mapped count, and any allocation beyond it fails. Rows are those of bench/data.py; there are as many as take
`times` the limit as plain columns (8 bytes an integer or float, 1 a label), and a hundredth of them is tested on.
Allocators keep addresses aside, more than are in use: QUIET tells those of torch and of polars not to.
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
    words = argparse.ArgumentParser()
    words.add_argument("--limit-mib", type=int, default=1792)
    words.add_argument("--times", type=float, default=4.0)
    words.add_argument("--steps", type=int, default=300)
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    limit = given.limit_mib * 2**20
    rows = int(given.times * limit / ROW_BYTES)
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        write_rows(Case(folder, rows, 1))
        (folder / "spec.aesm").write_text(spec(), encoding="utf-8")
        console = Console()
        console.print(f"{rows:,} rows, {rows * ROW_BYTES / 2**20:,.0f} MiB of columns; limit {given.limit_mib:,} MiB")
        sets = [f"train.length={given.steps} steps", "data.test=split(random: 1%)"]
        command = ["train", "spec.aesm", "-o", "run", "--device", "cpu", *(f"--set={one}" for one in sets)]
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
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        console.print(done.stdout if done.returncode == 0 else done.stderr[-2000:])
        console.print(
            f"ended with {done.returncode}; {spent.ru_maxrss / 2**10:,.0f} MiB resident at most; "
            f"{spent.ru_utime + spent.ru_stime:,.0f} s of computing, {time.perf_counter() - began:,.0f} s in all"
        )
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
