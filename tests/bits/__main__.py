"""Trains by every option with 1, 2 and 3 threads: whole, and with a stop after which another process goes on.

    python -m tests.bits [--threads 1 2 3] [--folder FOLDER] [OPTION ...]

With one thread count, both runs must be the same bit for bit; with all of them, the encoders must be. Prints for every
option what differs, and how far the weights with several threads are from those with the fewest.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.numpy import load_file

from tests.bits.differences import differences
from tests.bits.options import ALL, TOGETHER, write_world
from tests.conftest import PROJECT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bits", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, help="where the runs go; by default a folder that is removed")
    parser.add_argument("options", nargs="*", default=[], metavar="OPTION", help=", ".join(ALL))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, names = given.folder or Path(temporary), given.options or list(ALL)
        write_world(folder)
        for threads in given.threads:
            train_all(folder, threads, names)
        return tell(folder, given.threads, names)


def train_all(folder: Path, threads: int, names: list[str]) -> None:
    """Trains all options with so many threads, in three processes: whole, up to a stop, and from there on."""
    alone = [name for name in names if name not in TOGETHER]
    together = [name for name in names if name in TOGETHER]
    for way in ("whole", "stopped", "resumed"):
        runs = folder / f"{threads} {'whole' if way == 'whole' else 'stopped'}"
        for processes, chosen in ((1, alone), (2, together)):
            if chosen:
                run([str(folder), str(runs), way, *chosen], threads, processes)
        print(f"{threads} threads: {way}", flush=True)


def run(arguments: list[str], threads: int, processes: int) -> None:
    """Runs `trained` in so many processes, with the variables that torchrun sets if there are several."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "POLARS_MAX_THREADS": str(threads),
        # Threads that wait for each other sleep, in place of counting: the same in less time on a busy machine.
        "OMP_WAIT_POLICY": "passive",
        # What one process compiles, no other may take over.
        "TORCHINDUCTOR_CACHE_DIR": f"{arguments[1]} compiled",
    }
    started = []
    for rank in range(processes):
        own = {"RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-m", "tests.bits.trained", *arguments]
        started.append(subprocess.Popen(command, cwd=PROJECT, env=variables | (own if processes > 1 else {})))
    assert [process.wait() for process in started] == [0] * processes


def tell(folder: Path, counts: list[int], names: list[str]) -> int:
    """Prints what differs; returns 1 if anything does that must not."""
    failed = False
    for name in names:
        runs = {threads: folder / f"{threads} whole" / name for threads in counts}
        differing = [
            f"{file} with {threads} threads"
            for threads, whole in runs.items()
            for file in differences(whole, folder / f"{threads} stopped" / name)
        ]
        encoders = {(run / "encoders.json").read_bytes() for run in runs.values()}
        differing += ["encoders.json by threads"] if len(encoders) > 1 else []
        first, *others = (load_file(run / "weights.safetensors") for run in runs.values())
        apart = max((float(abs(other[key] - first[key]).max()) for other in others for key in first), default=0.0)
        print(f"{name:30}{', '.join(differing) or 'the same'}; by threads {apart:.1e}")
        failed |= bool(differing)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
