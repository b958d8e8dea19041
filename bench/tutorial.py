"""Measures each command of docs/tutorial.md, in the tutorial's order, each in a process of its own.

    python bench/tutorial.py [--rounds 3] [--rows 6k]

Every round begins in an empty folder, so that its commands read what the commands before them wrote. Times are medians
over the rounds. `--rows` replaces the tutorial's number of rows. OMP_NUM_THREADS says how many cores a training uses.
"""

from __future__ import annotations

import argparse
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Times, cpu_seconds

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default=None)
    options = parser.parse_args()
    lines = commands(TUTORIAL.read_text(encoding="utf-8"), options.rows)
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append([timed(line, Path(folder)) for line in lines])
    print("| command | CPU time, s | wall time, s |\n|---|---:|---:|")
    medians = [
        Times(statistics.median(times.cpu for times in command), statistics.median(times.wall for times in command))
        for command in zip(*rounds, strict=True)
    ]
    for line, times in zip(lines, medians, strict=True):
        print(f"| `{line}` | {times.cpu:.1f} | {times.wall:.1f} |")
    print(f"| all | {sum(times.cpu for times in medians):.1f} | {sum(times.wall for times in medians):.1f} |")


def commands(text: str, rows: str | None) -> list[str]:
    """Returns the lines that begin with `aesm` in code blocks for the shell; `rows` replaces their number of rows."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("aesm ")]
    return lines if rows is None else [re.sub(r"--rows \S+", f"--rows {rows}", line) for line in lines]


def timed(line: str, folder: Path) -> Times:
    """Runs one command. Raises CalledProcessError if it fails."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    words = [sys.executable, "-m", "aesm_dsl", *shlex.split(line)[1:]]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return Times(cpu_seconds() - cpu, time.perf_counter() - wall)


if __name__ == "__main__":
    main()
