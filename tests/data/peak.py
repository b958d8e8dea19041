"""How much memory a training takes beyond what a small one took: `python -m tests.data.peak FOLDER`, in MiB."""

from __future__ import annotations

import sys
from pathlib import Path

import aesm_dsl
from aesm_dsl.data.store import encoded_table


def main() -> None:
    folder = Path(sys.argv[1])
    train(folder, "small")
    before = peak_mib()
    train(folder, "large")
    print(peak_mib() - before)


def train(folder: Path, name: str) -> None:
    encoded_table.WINDOW_BYTES = 4 * 2**20  # a window is allowed 128 MiB, which this table would fit into
    aesm_dsl.train(
        folder / "spec.aesm",
        folder / f"run-{name}",
        device="cpu",
        overrides=[f'data.train="{name}.parquet"', "train.length=20 steps"],
    )


def peak_mib() -> float:
    """Resident memory at its most, so far."""
    said = Path("/proc/self/status").read_text()
    return int(next(line for line in said.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
