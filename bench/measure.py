"""Measures several ways of doing the same thing, which take turns in one run."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Median times of one turn, in seconds."""

    cpu: float
    """CPU time of the process; on other devices than a CPU, wall time."""
    wall: float


def measure(
    ways: Mapping[str, Callable[[], object]],
    turns: int,
    device: str = "cpu",
    *,
    warm: int = 3,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Times]:
    """Measures one turn of each way. In each turn all ways go once, so that a busy machine is busy for all of them.

    Args:
        ways: what to measure, by name.
        turns: turns that count.
        device: where the ways compute; they are waited for.
        warm: turns before these, which do not count.
        before: called once before each turn; it does not count.
        clock: returns the seconds of CPU time so far.
    """
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(warm + turns):
        before()
        for way, run in ways.items():
            synchronize(device)
            cpu, wall = clock(), time.perf_counter()
            run()
            synchronize(device)
            cpu, wall = clock() - cpu, time.perf_counter() - wall
            seconds[way].append((cpu if device == "cpu" else wall, wall))
    medians = {}
    for way, pairs in seconds.items():
        cpus, walls = zip(*pairs[warm:], strict=True)
        medians[way] = Times(statistics.median(cpus), statistics.median(walls))
    return medians


def cpu_seconds() -> float:
    """Returns the CPU time so far of this process and of the child processes that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def synchronize(device: str) -> None:
    """Waits for what was started on a GPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
