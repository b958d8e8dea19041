"""Measures reading: fitting, encoding, batches of 8,192 rows, and how long training waits for batches.

    python bench/data.py [--rows 5000000] [--turns 5] [--folder FOLDER]

The rows have 10 categorical columns of 10,000 values, 4 numbers and 2 labels, in parquet. The table shows one pass over
all rows, in rows per second of CPU time (of all threads) and of wall time: polars that only reads the columns (no
reader can be faster), the checks alone, checks + fitting + encoding into the cache, batches from the cache, shuffled
and in order, and for comparison a reader that takes encoded rows out of memory one by one. Each runs in a process of
its own, which reports its peak resident memory; this includes the libraries, as the line of nothing but imports shows.
The last line is about training steps from the first batch on, over the end of a shuffle window: their speed, and the
part of their wall time in which they waited for batches.
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
"""Training steps that are measured."""
ROWS = "rows"
"""Name of the folder of the parquet files."""

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
    """What is measured."""

    folder: Path
    rows: int
    turns: int


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over the rows took."""

    rows: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    waited_s: float = 0.0
    """Wall time spent waiting for batches."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        case = Case(Path(name), options.rows, options.turns)
        write_rows(case)
        size = sum(path.stat().st_size for path in (case.folder / ROWS).iterdir()) / 2**20
        load = os.getloadavg()[0]
        table = Table(
            title=f"{case.rows:,} rows, {size:,.0f} MiB of parquet; load {load:.1f} of {os.cpu_count()} cores"
        )
        for head in ("", "million rows / CPU s", "million rows / s", "peak MiB"):
            table.add_column(head, justify="right" if head else "left")
        ways = (imports, floor, checks, encoding, batches_shuffled, batches_in_order, row_by_row)
        for way in ways:
            measured, peak = in_own_process(way, case)
            seconds = (measured.cpu_s, measured.wall_s)
            rates = [f"{measured.rows / taken / 1e6:.2f}" for taken in seconds if taken] or ["", ""]
            table.add_row((way.__doc__ or "").rstrip("."), *rates, f"{peak:,.0f}")
        console = Console()
        console.print(table)
        steps, peak = in_own_process(training, case)
        console.print(
            f"training: {steps.rows / steps.wall_s / 1e6:.3f} million rows / s, "
            f"{steps.waited_s / steps.wall_s:.1%} of the time waiting for batches, peak {peak:,.0f} MiB"
        )


def write_rows(case: Case) -> None:
    """Writes one file after the other, so that this process needs little memory for any number of rows."""
    chance = np.random.default_rng(0)

    def frame(rows: int) -> pl.DataFrame:
        columns = {f"c{number}": chance.zipf(1.3, rows) % VALUES for number in range(CATEGORIES)}
        columns |= {f"n{number}": chance.normal(size=rows) for number in range(NUMBERS)}
        columns |= {task: (chance.random(rows) < 0.1).astype(np.int8) for task in ("click", "buy")}
        return pl.DataFrame(columns)

    folder = case.folder / ROWS
    folder.mkdir()
    for start in range(0, case.rows, FILE_ROWS):
        rows = frame(min(FILE_ROWS, case.rows - start))
        rows.write_parquet(folder / f"{start // FILE_ROWS:04}.parquet", row_group_size=FILE_ROWS // 4)


def in_own_process(way: Callable[[Case], Pass], case: Case) -> tuple[Pass, float]:
    """Returns what a way took in a process of its own, and the peak MiB of that process."""
    # "spawn": a forked process would begin with the memory of this one.
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_put_result, args=(way, case, results))
    process.start()
    while True:
        try:
            result: tuple[Pass, float] = results.get(timeout=1)
            break
        except Exception as error:
            if not process.is_alive():
                raise SystemExit(f"{way.__name__} ended with {process.exitcode}") from error
    process.join()
    return result


def _put_result(way, case, results) -> None:  # type: ignore[no-untyped-def]
    results.put((way(case), _peak()))


def _peak() -> float:
    """Peak resident memory of this process so far, in MiB."""
    # Not getrusage's ru_maxrss: that begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def spec() -> str:
    features = [f"c{number} = category" for number in range(CATEGORIES)]
    features += [f"n{number} = number" for number in range(NUMBERS)]
    return SPEC.replace("FEATURES", "; ".join(features))


def plan() -> Plan:
    return compile_spec(Spec.parse(spec())).plan


def prepared(case: Case) -> Prepared:
    """Returns the encoded rows: from the cache, if they are there."""
    findings = Findings()
    result = prepare(plan(), [case.folder], findings, lambda key: None)
    assert result is not None, findings.items
    assert len(result.tables.train) == case.rows
    return result


def median_pass(read: Callable[[], int], turns: int) -> Pass:
    """Returns the median times of several passes; `read` makes one and returns its rows."""
    cpu_s, wall_s = [], []
    for _ in range(turns):
        cpu, wall = time.process_time(), time.perf_counter()
        rows = read()
        cpu_s.append(time.process_time() - cpu)
        wall_s.append(time.perf_counter() - wall)
    return Pass(rows, statistics.median(cpu_s), statistics.median(wall_s))


def imports(case: Case) -> Pass:
    """nothing but imports."""
    return Pass()


def floor(case: Case) -> Pass:
    """polars reads all columns."""

    def read() -> int:
        return sum(frame.height for frame in pl.scan_parquet(case.folder / ROWS).collect_batches(chunk_size=2**16))

    return median_pass(read, case.turns)


def checks(case: Case) -> Pass:
    """`aesm check --data`."""

    def read() -> int:
        findings = Findings()
        counter = RowCounter()
        check_tables(plan(), [case.folder], findings, lambda key: None, [counter])
        assert not findings.items
        return counter.rows

    return median_pass(read, case.turns)


class RowCounter:
    """A check that only counts the rows."""

    def __init__(self) -> None:
        self.rows = 0

    def update(self, chunk: CheckedRows) -> None:
        self.rows += len(chunk)

    def report(self, findings: Findings) -> None:
        """Reports nothing."""


def encoding(case: Case) -> Pass:
    """checks, fitting and encoding into the cache."""
    return median_pass(lambda: len(prepared(case).tables.train), 1)


def batches_shuffled(case: Case) -> Pass:
    """batches from the cache, shuffled."""
    table = prepared(case).tables.train
    return median_pass(lambda: sum(batch.rows for batch in table.batches(BATCH, seed=1)), case.turns)


def batches_in_order(case: Case) -> Pass:
    """batches from the cache, in order."""
    table = prepared(case).tables.train
    return median_pass(lambda: sum(batch.rows for batch in table.batches(BATCH)), case.turns)


def row_by_row(case: Case) -> Pass:
    """encoded rows one by one from memory, stacked into batches (of 100,000 rows)."""
    count = min(case.rows, 100_000)
    columns = prepared(case).tables.train.take(torch.arange(count)).whole()

    def read() -> int:
        for start in range(0, count, BATCH):
            rows = [[part[row] for part in columns.parts] for row in range(start, min(start + BATCH, count))]
            for parts in zip(*rows, strict=True):
                torch.stack(parts)
        return count

    return median_pass(read, 1)


def training(case: Case) -> Pass:
    """training steps from the cache."""
    encoded = prepared(case)
    fitted = plan().with_rows(encoded.encoders.rows())
    network = new_network(fitted)
    network_optimizers = optimizers(network, fitted.training)
    waited, rows, cpu, began = 0.0, 0, time.process_time(), time.perf_counter()
    batches = encoded.tables.train.batches(BATCH, seed=1)
    for _ in range(TRAINED):
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        for optimizer in network_optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss(network(batch), batch, fitted).total.backward()
        for optimizer in network_optimizers:
            optimizer.step()
        rows += batch.rows
    return Pass(rows, time.process_time() - cpu, time.perf_counter() - began, waited)


if __name__ == "__main__":
    main()
