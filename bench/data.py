"""What reading costs: fitting, encoding, batches of 8,192 rows, and how long training waits for them.

    python bench/data.py [--rows 5000000] [--turns 5] [--limit-mib 0] [--folder FOLDER]

Rows of 10 categorical columns of 10,000 values, 4 numbers and 2 labels, in parquet. First table: one pass over all
rows, in rows a second of computing (all threads of the process): polars reading the columns and nothing else (the floor
of what any reader can do), the checks alone, checks + fitting + encoding into the cache, and batches from the cache,
shuffled and in order; last a reader that takes encoded rows out of memory one by one. Each way is a process of its own,
which says how much memory it had at most (resident, the libraries' own included: see the line of nothing but imports).
Second: an epoch of training, and the part of its wall time that it waited for batches.

`--limit-mib` lets every process have so much memory for its data (RLIMIT_DATA) and no more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
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

from aesm_dsl.data.prepare import Prepared, prepare
from aesm_dsl.data.table import check_tables
from aesm_dsl.diagnostic import Findings
from aesm_dsl.pipeline import compile_spec
from aesm_dsl.plan import Plan
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.loss import loss
from aesm_dsl.training.optimizer import optimizers
from aesm_dsl.training.train import new_network

CATEGORIES, NUMBERS, VALUES, BATCH = 10, 4, 10_000, 8192
TRAINED = 60
"""Batches that an epoch of training is measured on."""

SPEC = """
aesm = 1
model bench {
  features all { FEATURES }
  tasks { task click; task buy; experts { count = 8; hidden = [64, 32] } }
  train { batch = 8192 rows; noise = none }
  data { train = "rows.parquet"; cache = "cache" }
}
"""


@dataclass(frozen=True, slots=True)
class Case:
    folder: Path
    rows: int
    turns: int


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--rows", type=int, default=5_000_000)
    words.add_argument("--turns", type=int, default=5)
    words.add_argument("--limit-mib", type=int, default=0)
    words.add_argument("--folder", type=Path, default=None)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        case = Case(Path(name), given.rows, given.turns)
        write_rows(case)
        size = (case.folder / "rows.parquet").stat().st_size / 2**20
        table = Table(title=f"{case.rows:,} rows, {size:,.0f} MiB of parquet")
        for head in ("way", "million rows/CPU-s", "peak MiB"):
            table.add_column(head, justify="left" if head == "way" else "right")
        ways = (imports, floor, checks, prepared_new, batches_shuffled, batches_in_order, row_by_row)
        for way in ways:
            rate, peak, _ = apart(way, case, given.limit_mib)
            table.add_row((way.__doc__ or "").rstrip("."), "" if rate == 0 else f"{rate / 1e6:.2f}", f"{peak:,.0f}")
        console = Console()
        console.print(table)
        rate, peak, waited = apart(training, case, given.limit_mib)
        console.print(
            f"training: {rate / 1e6:.3f} million rows/s, {waited:.1%} of the time waiting for batches, {peak:,.0f} MiB"
        )


def write_rows(case: Case) -> None:
    """In frames of a million rows, so that the bench too fits into memory whatever the number of rows."""
    chance = np.random.default_rng(0)

    def frame(rows: int) -> pl.DataFrame:
        columns = {f"c{place}": chance.zipf(1.3, rows) % VALUES for place in range(CATEGORIES)}
        columns |= {f"n{place}": chance.normal(size=rows) for place in range(NUMBERS)}
        columns |= {task: (chance.random(rows) < 0.1).astype(np.int8) for task in ("click", "buy")}
        return pl.DataFrame(columns)

    parts = []
    for start in range(0, case.rows, 1_000_000):
        parts.append(case.folder / f"part-{len(parts)}")
        frame(min(1_000_000, case.rows - start)).write_parquet(parts[-1], row_group_size=250_000)
    pl.scan_parquet(parts).sink_parquet(case.folder / "rows.parquet", row_group_size=250_000)
    for part in parts:
        part.unlink()


def apart(way: Callable[[Case], tuple[float, float]], case: Case, limit_mib: int) -> tuple[float, float, float]:
    """Rows a second, peak MiB, and what else it found, of a way in a process of its own."""
    there = multiprocessing.get_context("spawn")
    results = there.Queue()
    one = there.Process(target=_there, args=(way, case, limit_mib, results))
    one.start()
    while True:
        try:
            rate, peak, more = results.get(timeout=1)
            break
        except Exception as error:
            if not one.is_alive():
                raise SystemExit(f"{way.__name__} ended with {one.exitcode}") from error
    one.join()
    return rate, peak, more


def _there(way, case, limit_mib, results) -> None:  # type: ignore[no-untyped-def]
    if limit_mib:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_mib * 2**20, limit_mib * 2**20))
    rate, more = way(case)
    results.put((rate, _peak(), more))


def _peak() -> float:
    """Most resident memory of this process so far, in MiB; what the process that started it had does not count."""
    said = Path("/proc/self/status").read_text()
    return int(next(line for line in said.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def plan() -> Plan:
    features = [f"c{place} = category" for place in range(CATEGORIES)]
    features += [f"n{place} = number" for place in range(NUMBERS)]
    return compile_spec(Spec.parse(SPEC.replace("FEATURES", "; ".join(features)))).plan


def found(case: Case) -> Prepared:
    one = prepare(plan(), [case.folder], Findings(), lambda key: None)
    assert one is not None
    return one


def rate(case: Case, go: Callable[[], object]) -> float:
    seconds = []
    for _ in range(case.turns):
        began = time.process_time()
        go()
        seconds.append(time.process_time() - began)
    return case.rows / statistics.median(seconds)


def imports(case: Case) -> tuple[float, float]:
    """nothing but imports."""
    return 0.0, 0.0


def floor(case: Case) -> tuple[float, float]:
    """polars: all columns read."""

    def go() -> None:
        for frame in pl.scan_parquet(case.folder / "rows.parquet").collect_batches(chunk_size=2**16):
            assert frame.height

    return rate(case, go), 0.0


def checks(case: Case) -> tuple[float, float]:
    """`aesm check --data`."""
    once = Case(case.folder, case.rows, 1)
    return rate(once, lambda: check_tables(plan(), [case.folder], Findings(), lambda key: None)), 0.0


def prepared_new(case: Case) -> tuple[float, float]:
    """checks, fitting, encoding into the cache."""
    return rate(Case(case.folder, case.rows, 1), lambda: found(case)), 0.0


def batches_shuffled(case: Case) -> tuple[float, float]:
    """batches from the cache, shuffled."""
    table = found(case).tables.train
    return rate(case, lambda: sum(batch.rows for batch in table.batches(BATCH, seed=1))), 0.0


def batches_in_order(case: Case) -> tuple[float, float]:
    """batches from the cache, in order."""
    table = found(case).tables.train
    return rate(case, lambda: sum(batch.rows for batch in table.batches(BATCH))), 0.0


def row_by_row(case: Case) -> tuple[float, float]:
    """encoded rows one by one from memory, stacked into batches (of 100,000 rows)."""
    few = min(case.rows, 100_000)
    columns = found(case).tables.train.take(torch.arange(few)).whole()

    def go() -> None:
        for start in range(0, few, BATCH):
            rows = [[part[row] for part in columns.parts] for row in range(start, min(start + BATCH, few))]
            for parts in zip(*rows, strict=True):
                torch.stack(parts)

    return rate(Case(case.folder, few, 1), go), 0.0


def training(case: Case) -> tuple[float, float]:
    """training steps from the cache."""
    one = found(case)
    made = plan().with_rows(one.encoders.rows())
    network = new_network(made)
    steppers = optimizers(network, made.training)
    batches = one.tables.train.batches(BATCH, seed=1)
    next(batches)  # the first window is read before the first step, once an epoch
    waited, rows, began = 0.0, 0, time.perf_counter()
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
    seconds = time.perf_counter() - began
    return rows / seconds, waited / seconds


if __name__ == "__main__":
    main()
