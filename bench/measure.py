"""Times of several ways of doing one thing, which take turns in one run."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """Medians, in seconds. `cpu` is what the process took; on other devices than a CPU it is wall time too."""

    cpu: float
    wall: float


def measure(
    ways: Mapping[str, Callable[[], object]],
    turns: int,
    device: str = "cpu",
    warm: int = 3,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Spent]:
    """What one turn of each way takes. In each turn all ways go once, so that a busy machine is busy for all of them;
    the first `warm` turns do not count. `before` is done once before each turn and does not count.
    `clock` tells the seconds of computing so far."""
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(warm + turns):
        before()
        for way, go in ways.items():
            wait(device)
            cpu, wall = clock(), time.perf_counter()
            go()
            wait(device)
            cpu, wall = clock() - cpu, time.perf_counter() - wall
            spent[way].append((cpu if device == "cpu" else wall, wall))
    found = {}
    for way, seconds in spent.items():
        cpus, walls = zip(*seconds[warm:], strict=True)
        found[way] = Spent(statistics.median(cpus), statistics.median(walls))
    return found


def computing() -> float:
    """Seconds that this process, and those it has waited for, have computed so far."""
    spent = [resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
