"""What each command of docs/tutorial.md takes, in the order in which they stand, each in a process of its own.

    python bench/tutorial.py [--rounds 3] [--rows 6k]

Every round begins in an empty folder, so that its commands read what those before them wrote; medians over the rounds.
`--rows` takes the place of the tutorial's. OMP_NUM_THREADS says how many cores a training takes.
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

from measure import Spent, computing

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--rows", default=None)
    given = words.parse_args()
    lines = commands(TUTORIAL.read_text(encoding="utf-8"), given.rows)
    rounds = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append([timed(line, Path(folder)) for line in lines])
    print("| command | computing, s | by the clock, s |\n|---|---:|---:|")
    medians = [
        Spent(*(statistics.median(getattr(one, name) for one in spent) for name in ("cpu", "wall")))
        for spent in zip(*rounds, strict=True)
    ]
    for line, one in zip(lines, medians, strict=True):
        print(f"| `{line}` | {one.cpu:.1f} | {one.wall:.1f} |")
    print(f"| all | {sum(one.cpu for one in medians):.1f} | {sum(one.wall for one in medians):.1f} |")


def commands(text: str, rows: str | None) -> list[str]:
    """The lines that begin with `aesm` in blocks for the shell; `rows` in place of theirs."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("aesm ")]
    return lines if rows is None else [re.sub(r"--rows \S+", f"--rows {rows}", line) for line in lines]


def timed(line: str, folder: Path) -> Spent:
    """Seconds of one command; raises CalledProcessError where it fails."""
    cpu, wall = computing(), time.perf_counter()
    words = [sys.executable, "-m", "aesm_dsl", *shlex.split(line)[1:]]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return Spent(computing() - cpu, time.perf_counter() - wall)


if __name__ == "__main__":
    main()
