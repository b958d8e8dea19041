"""What reading costs: fitting, encoding, batches of 8,192 rows, and how long training waits for them.

    python bench/data.py [--rows 5000000] [--turns 5] [--folder FOLDER]

Rows of 10 categorical columns of 10,000 values, 4 numbers and 2 labels, in parquet. First table: one pass over all
rows, in rows a second of computing (all threads of the process) and in rows a second of the clock: polars reading the
columns and nothing else (the floor of what any reader can do), the checks alone, checks + fitting + encoding into the
cache, and batches from the cache, shuffled and in order; last a reader that takes encoded rows out of memory one by
one. Each way is a process of its own, which says how much memory it had at most (resident, the libraries' own included:
see the line of nothing but imports). Second: steps of training from the first batch on, over the end of a window, and
the part of their wall time that they waited for batches.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.open_tables import check_tables
from aesm_dsl.data.prepare import Prepared, prepare
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.optimizer import optimizers
from aesm_dsl.training.train import new_network

CATEGORIES, NUMBERS, VALUES, BATCH = 10, 4, 10_000, 8192
FILE_ROWS = 1_000_000
TRAINED = 300
"""Steps that training is measured on."""
ROWS = "rows"
"""The folder of the files."""

SPEC = """
aesm = 1
model bench {
  features all { FEATURES }
  tasks { task click; task buy; experts { count = 8; hidden = [64, 32] } }
  train { batch = 8192 rows; noise = none }
  data { train = "rows"; cache = "cache" }
}
"""


@dataclass(frozen=True, slots=True)
class Case:
    folder: Path
    rows: int
    turns: int


@dataclass(frozen=True, slots=True)
class Spent:
    rows: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    waited_s: float = 0.0


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--rows", type=int, default=5_000_000)
    words.add_argument("--turns", type=int, default=5)
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        case = Case(Path(name), given.rows, given.turns)
        write_rows(case)
        size = sum(path.stat().st_size for path in (case.folder / ROWS).iterdir()) / 2**20
        busy = os.getloadavg()[0]
        table = Table(
            title=f"{case.rows:,} rows, {size:,.0f} MiB of parquet; load {busy:.1f} of {os.cpu_count()} cores"
        )
        for head in ("way", "million rows/CPU-s", "million rows/s", "peak MiB"):
            table.add_column(head, justify="left" if head == "way" else "right")
        ways = (imports, floor, checks, prepared_new, batches_shuffled, batches_in_order, row_by_row)
        for way in ways:
            one, peak = apart(way, case)
            rates = [f"{one.rows / seconds / 1e6:.2f}" for seconds in (one.cpu_s, one.wall_s) if seconds] or ["", ""]
            table.add_row((way.__doc__ or "").rstrip("."), *rates, f"{peak:,.0f}")
        console = Console()
        console.print(table)
        one, peak = apart(training, case)
        console.print(
            f"training: {one.rows / one.wall_s / 1e6:.3f} million rows/s, {one.waited_s / one.wall_s:.1%} of the time "
            f"waiting for batches, {peak:,.0f} MiB"
        )


def write_rows(case: Case) -> None:
    """One file after the other, so that the bench too fits into memory whatever the number of rows."""
    chance = np.random.default_rng(0)

    def frame(rows: int) -> pl.DataFrame:
        columns = {f"c{place}": chance.zipf(1.3, rows) % VALUES for place in range(CATEGORIES)}
        columns |= {f"n{place}": chance.normal(size=rows) for place in range(NUMBERS)}
        columns |= {task: (chance.random(rows) < 0.1).astype(np.int8) for task in ("click", "buy")}
        return pl.DataFrame(columns)

    folder = case.folder / ROWS
    folder.mkdir()
    for start in range(0, case.rows, FILE_ROWS):
        rows = frame(min(FILE_ROWS, case.rows - start))
        rows.write_parquet(folder / f"{start // FILE_ROWS:04}.parquet", row_group_size=FILE_ROWS // 4)


def apart(way: Callable[[Case], Spent], case: Case) -> tuple[Spent, float]:
    """What a way takes in a process of its own, and its peak MiB."""
    there = multiprocessing.get_context("spawn")
    results = there.Queue()
    one = there.Process(target=_there, args=(way, case, results))
    one.start()
    while True:
        try:
            found: tuple[Spent, float] = results.get(timeout=1)
            break
        except Exception as error:
            if not one.is_alive():
                raise SystemExit(f"{way.__name__} ended with {one.exitcode}") from error
    one.join()
    return found


def _there(way, case, results) -> None:  # type: ignore[no-untyped-def]
    results.put((way(case), _peak()))


def _peak() -> float:
    """Most resident memory of this process so far, in MiB; what the process that started it had does not count."""
    said = Path("/proc/self/status").read_text()
    return int(next(line for line in said.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def spec() -> str:
    features = [f"c{place} = category" for place in range(CATEGORIES)]
    features += [f"n{place} = number" for place in range(NUMBERS)]
    return SPEC.replace("FEATURES", "; ".join(features))


def plan() -> Plan:
    return compile_spec(Spec.parse(spec())).plan


def found(case: Case) -> Prepared:
    findings = Findings()
    one = prepare(plan(), [case.folder], findings, lambda key: None)
    assert one is not None, findings.items
    assert len(one.tables.train) == case.rows
    return one


def spent(case: Case, go: Callable[[], int], turns: int) -> Spent:
    """The medians of so many passes over the rows that `go` says it has seen."""
    cpu_s, wall_s = [], []
    for _ in range(turns):
        cpu, wall = time.process_time(), time.perf_counter()
        rows = go()
        cpu_s.append(time.process_time() - cpu)
        wall_s.append(time.perf_counter() - wall)
    return Spent(rows, statistics.median(cpu_s), statistics.median(wall_s))


def imports(case: Case) -> Spent:
    """nothing but imports."""
    return Spent()


def floor(case: Case) -> Spent:
    """polars: all columns read."""

    def go() -> int:
        return sum(frame.height for frame in pl.scan_parquet(case.folder / ROWS).collect_batches(chunk_size=2**16))

    return spent(case, go, case.turns)


def checks(case: Case) -> Spent:
    """`aesm check --data`."""

    def go() -> int:
        findings = Findings()
        seen = Seen()
        check_tables(plan(), [case.folder], findings, lambda key: None, [seen])
        assert not findings.items
        return seen.rows

    return spent(case, go, case.turns)


class Seen:
    """Counts the rows that a reading gives."""

    def __init__(self) -> None:
        self.rows = 0

    def update(self, chunk: CheckedRows) -> None:
        self.rows += len(chunk)

    def report(self, findings: Findings) -> None:
        """Nothing."""


def prepared_new(case: Case) -> Spent:
    """checks, fitting, encoding into the cache."""
    return spent(case, lambda: len(found(case).tables.train), 1)


def batches_shuffled(case: Case) -> Spent:
    """batches from the cache, shuffled."""
    table = found(case).tables.train
    return spent(case, lambda: sum(batch.rows for batch in table.batches(BATCH, seed=1)), case.turns)


def batches_in_order(case: Case) -> Spent:
    """batches from the cache, in order."""
    table = found(case).tables.train
    return spent(case, lambda: sum(batch.rows for batch in table.batches(BATCH)), case.turns)


def row_by_row(case: Case) -> Spent:
    """encoded rows one by one from memory, stacked into batches (of 100,000 rows)."""
    few = min(case.rows, 100_000)
    columns = found(case).tables.train.take(torch.arange(few)).whole()

    def go() -> int:
        for start in range(0, few, BATCH):
            rows = [[part[row] for part in columns.parts] for row in range(start, min(start + BATCH, few))]
            for parts in zip(*rows, strict=True):
                torch.stack(parts)
        return few

    return spent(case, go, 1)


def training(case: Case) -> Spent:
    """training steps from the cache."""
    one = found(case)
    made = plan().with_rows(one.encoders.rows())
    network = new_network(made)
    steppers = optimizers(network, made.training)
    waited, rows, cpu, began = 0.0, 0, time.process_time(), time.perf_counter()
    batches = one.tables.train.batches(BATCH, seed=1)
    for _ in range(TRAINED):
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        for stepper in steppers:
            stepper.zero_grad(set_to_none=True)
        loss(network(batch), batch, made).total.backward()
        for stepper in steppers:
            stepper.step()
        rows += batch.rows
    return Spent(rows, time.process_time() - cpu, time.perf_counter() - began, waited)


if __name__ == "__main__":
    main()
