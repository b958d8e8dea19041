"""Trains a small run, serves it, and lets hostile clients at it beside good ones: `make hostile`. It needs Linux.

    python -m tests.hostile [--clients 64] [--requests 20] [--only NAME]

Good clients ask for scores in all forms that clients use; the answers are compared with those that the server gave to
each row alone. The table is that of docs/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aesm_dsl import Spec, train
from tests.hostile import attacks
from tests.hostile.clients import Tally, clients
from tests.hostile.requests import COLUMNS, SPEC, KnownRows, head
from tests.serving.bodies import INFER, body_of
from tests.serving.conftest import table_of

DESCRIPTORS = 128
"""So few may the server open in the scenario of descriptors."""

ROWS = 100

NAMES = (
    "nobody",
    "511 slow headers",
    "1,000 slow headers",
    "1,000 silent connections",
    "300 slow bodies",
    "half-closed connections",
    "bodies of 9 MiB",
    "bodies of 64 MiB",
    "pipelined requests",
    "malformed requests",
    "clients that leave",
    f"300 slow headers, {DESCRIPTORS} descriptors",
    "SIGTERM",
)
"""The scenarios, each on a new server."""


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def mebibytes(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 2**10

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log_lines(self) -> int:
        return len(self.log.read_text(encoding="utf-8").splitlines())

    def infer(self, body: bytes) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{INFER}", body, timeout=60) as answer:
            said: dict[str, Any] = json.loads(answer.read())
            return said


@contextmanager
def served(run: Path, folder: Path, descriptors: int | None) -> Iterator[Served]:
    """A server, which may have only so many descriptors."""
    log = folder / "log.txt"

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    command = [sys.executable, "-m", "aesm_dsl", "serve", str(run), "--port", "0", "--device", "cpu"]
    with log.open("w") as stream:
        process = subprocess.Popen(command, stderr=stream, text=True, preexec_fn=limit)
    try:
        while "serving" not in (said := log.read_text(encoding="utf-8")):
            assert process.poll() is None, said
            time.sleep(0.1)
        port = int(said.split("http://127.0.0.1:")[1].split()[0])
        yield Served(process, port, log)
    finally:
        process.kill()
        process.wait()


def scenarios(known: KnownRows, large: bytes) -> dict[str, attacks.Attack | None]:
    """Every attack by its name; None is nobody."""
    kept = [
        one for one in map(known.asked, range(10**6, 10**6 + 600)) if one.status == 200 and b"close" not in one.head
    ]
    groups = [kept[start : start + 20] for start in range(0, len(kept), 20)]
    turns = [
        (b"".join(one.head + one.body for one in some), [partial(known.right, one) for one in some]) for some in groups
    ]
    return {
        "nobody": None,
        "511 slow headers": attacks.slow(attacks.HALF_HEADER, b"x", 511),
        "1,000 slow headers": attacks.slow(attacks.HALF_HEADER, b"x", 1000),
        "1,000 silent connections": attacks.silent(1000),
        "300 slow bodies": attacks.slow(head(1000) + b"{", b" ", 300),
        "half-closed connections": attacks.half_closed(30),
        "bodies of 9 MiB": attacks.big_bodies(14, 9 * 2**20),
        "bodies of 64 MiB": attacks.big_bodies(3, 64 * 2**20),
        "pipelined requests": attacks.pipelined(4, turns),
        "malformed requests": attacks.garbage(20),
        "clients that leave": attacks.leaving(20, large),
        f"300 slow headers, {DESCRIPTORS} descriptors": attacks.slow(attacks.HALF_HEADER, b"x", 300),
    }


def attacked(server: Served, known: KnownRows, attack: attacks.Attack | None, options: Any) -> list[str]:
    """The cells of a line: what good clients got, and what the attack saw."""
    before, lines = server.mebibytes(), server.log_lines()
    running = None if attack is None else attacks.Running(attack, server.port)
    time.sleep(1)
    tally = asyncio.run(clients(server.port, known, count=options.clients, requests=options.requests))
    if running is not None:  # what takes its time limits is waited for
        time.sleep(options.seconds)
    seen = Counter[str]() if running is None else running.stop()
    return [*cells(tally), f"{server.mebibytes() - before:+.0f}", str(server.log_lines() - lines), listed(seen)]


def cells(tally: Tally) -> list[str]:
    counts = [f"{tally.outcomes[name]:,}" for name in ("right", "wrong", "swapped", "dropped", "refused")]
    return [*counts, *(f"{tally.milliseconds(percent):,.0f}" for percent in (50, 99))]


def listed(seen: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()))


def stopped(server: Served, known: KnownRows, options: Any) -> list[str]:
    """The cells of a server that is told to stop while attacks and good clients go on."""
    lines = server.log_lines()
    every = [
        attacks.slow(attacks.HALF_HEADER, b"x", 100),
        attacks.slow(head(1000) + b"{", b" ", 50),
        attacks.silent(50),
        attacks.big_bodies(2, 9 * 2**20),
        attacks.garbage(5),
    ]
    running = [attacks.Running(attack, server.port) for attack in every]
    time.sleep(1)
    told = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(
            lambda: asyncio.run(
                clients(server.port, known, count=options.clients, requests=10**6, stopping=told.is_set)
            )
        )
        time.sleep(3)
        told.set()
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = server.process.wait(60)
        took = time.monotonic() - began
        tally = asking.result()
    for attack in running:
        attack.stop()
    return [*cells(tally), "", str(server.log_lines() - lines), f"left after {took:.1f} s with {code}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12, help="how long an attack goes on after the good clients")
    parser.add_argument("--only", default="", help="the scenarios with this in their name")
    parser.add_argument("--run", type=Path, help="a run of the harness, instead of a new one")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or train(Spec.parse(SPEC), folder / "run", data=table_of(1500, 1), device="cpu").folder
        print("| beside | right | wrong | swapped | dropped | refused | p50, ms | p99, ms | MiB | log lines | seen |")
        print("|---|" + "---|" * 10)
        table = table_of(ROWS, 11).select(COLUMNS)
        large = body_of(table_of(1000, 5).select(COLUMNS))
        for scenario in (one for one in NAMES if options.only in one):
            few = DESCRIPTORS if scenario.endswith("descriptors") else None
            with served(run, folder, few) as server:
                known = KnownRows(table, server.infer)
                if scenario == "SIGTERM":
                    line = stopped(server, known, options)
                else:
                    asyncio.run(clients(server.port, known, count=options.clients, requests=5, first=10**7))
                    line = attacked(server, known, scenarios(known, large)[scenario], options)
                print(f"| {scenario} | {' | '.join(line)} |", flush=True)
                said = server.log.read_text(encoding="utf-8")
                assert "Traceback" not in said, said


if __name__ == "__main__":
    main()
