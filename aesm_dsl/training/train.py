"""Plan + data -> Run, and a run on further rows: evaluate, predict. What is wrong with the data goes into Findings."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from aesm_dsl.data.check import Locate
from aesm_dsl.data.encoded import EncodedTable
from aesm_dsl.data.files import find
from aesm_dsl.data.given import Given, given
from aesm_dsl.data.prepare import Tables, prepare
from aesm_dsl.data.table import Reading, Stream, open_table, open_tables
from aesm_dsl.diagnostic import Findings
from aesm_dsl.embedding_tables import sparse_widths
from aesm_dsl.layers.build import AnyNetwork, build
from aesm_dsl.plan import Plan
from aesm_dsl.training.checkpoint import Checkpoint
from aesm_dsl.training.combine import Weigh, method
from aesm_dsl.training.device import find_device
from aesm_dsl.training.evaluate import Forecast, forecast, judge
from aesm_dsl.training.health import tell_collapse
from aesm_dsl.training.history import Fitted
from aesm_dsl.training.loop import fit
from aesm_dsl.training.meter import DivergedError, Progress
from aesm_dsl.training.outputs import OutputMeter
from aesm_dsl.training.run import Run, metrics_frame, nothing_selected, save_run
from aesm_dsl.training.segments import Segments, segments
from aesm_dsl.training.stop import Stop
from aesm_dsl.training.unfinished import Unfinished, digest
from aesm_dsl.training.usage import Usage
from aesm_dsl.version import VERSION

GIVEN = "the table"
"""What findings call rows that are in memory."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a training is to do, beside its plan."""

    spec: str
    """The resolved spec."""
    folder: Path
    """Of the run."""
    roots: Sequence[Path]
    """Folders that relative paths of tables are looked up in."""
    device: str
    overwrite: bool
    resume: bool


def train_plan(
    plan: Plan,
    job: Job,
    findings: Findings,
    locate: Locate,
    warn: Callable[[Findings], None],
    watch: Callable[[Progress], None],
    data: Given = None,
) -> Run | None:
    """Reads and checks the data, fits encoders on the training rows, trains, measures, and writes the run folder.

    `warn` gets the warnings before the first step, and after the last one those about experts that collapsed, if any.
    `data` are training rows in memory, in place of the plan's files.
    None after adding errors to `findings`: about the data all in one go before the first step, and after it none but a
    loss that is no longer finite.
    """
    place = find_device(job.device, findings)
    weigh = method(plan.training.combine, findings, locate)
    rows = [] if data is None else given(data, GIVEN, findings)
    if (data is not None and not rows) or (data is None and tell_no_data(plan, findings)):
        return None
    prepared = prepare(plan, job.roots, findings, locate, rows)
    if place is None or prepared is None or findings.errors:
        return None
    warn(findings)
    began = time.perf_counter()
    encoders, encoded = prepared.encoders, prepared.tables
    plan = plan.with_rows(encoders.rows())
    network = new_network(plan).to(place)
    fitted = _fit(network, encoded, place, weigh, job, findings, locate, warn, watch)
    if fitted is None:
        return None
    part, measured = _measured(encoded)
    with OutputMeter(network) as outputs:
        found = forecast(network, measured, place)
    usage = found.usage.with_dead_units(outputs.dead_units())
    info = {
        "aesm": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(place),
        "seed": plan.training.seed,
        "architecture": plan.baseline.architecture if plan.baseline is not None else "aes",
        "parameters": sum(one.numel() for one in network.parameters()),
        "sparse tables": sorted(sparse_widths(plan)),
        "rows": {"train": len(encoded.train), **_lengths(encoded)},
        "measured on": part,
        "roots": [str(root) for root in job.roots],
        "seconds": round(time.perf_counter() - began, 1),
        **_said(fitted),
    }
    run = Run(
        job.folder,
        job.spec,
        plan,
        encoders,
        network.cpu(),
        judge(network, found),
        found.calibrations(plan),
        usage,
        tuple(fitted.history),
        info,
    )
    save_run(run, overwrite=job.overwrite)
    Unfinished.of(job.folder).remove()
    collapsed = Findings()
    tell_collapse(plan, usage, collapsed, locate)
    if collapsed.items:
        warn(collapsed)
    return run


def _fit(
    network: AnyNetwork,
    encoded: Tables,
    device: torch.device,
    weigh: Weigh | None,
    job: Job,
    findings: Findings,
    locate: Locate,
    warn: Callable[[Findings], None],
    watch: Callable[[Progress], None],
) -> Fitted | None:
    """Trains, from the last checkpoint where the job says so; None after telling why training cannot go on."""
    unfinished, rows = Unfinished.of(job.folder), digest(encoded)
    start = None
    if job.resume and unfinished.started and not unfinished.has_data(rows):
        findings.add(
            "E608",
            f"the rows are not those that `{unfinished.folder}` was begun with",
            locate("data.train"),
            help=["put the tables back as they were", "`--overwrite` without `--resume` begins anew"],
        )
        return None
    if job.resume:
        start = _start(unfinished, warn)
    if start is None:
        unfinished.begin(job.spec, rows)
    try:
        with Stop() as stop:
            return fit(network, encoded, device, watch, weigh, unfinished.checkpoints, start, stop)
    except DivergedError as error:
        kept = unfinished.checkpoints.steps()
        last = f"the last good checkpoint is of step {kept[-1]:,}, in `{unfinished.folder}`" if kept else ""
        rate = "a smaller `rate` in `optimizer` usually helps"
        findings.add("E603", f"training stopped: {error}", locate("train"), help=[rate, last])
        return None
    finally:
        if not unfinished.started:
            unfinished.remove()


def _start(unfinished: Unfinished, warn: Callable[[Findings], None]) -> Checkpoint | None:
    """The checkpoint to go on from; tells when that is not where the training stopped."""
    found, damaged = unfinished.checkpoints.last()
    notes = Findings()
    instead = "begins anew" if found is None else f"goes on from the checkpoint before, of step {found.step:,}"
    if damaged:
        steps = ", ".join(f"{step:,}" for step in damaged)
        notes.add("W603", f"in `{unfinished.folder}` the checkpoint of step {steps} is damaged: training {instead}")
    elif found is None:
        notes.add("W603", f"there is no checkpoint in `{unfinished.folder}`: training {instead}")
    if notes.items:
        warn(notes)
    return found


def new_network(plan: Plan) -> AnyNetwork:
    """The plan's network, initialised from its seed; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        return build(plan)


def evaluate_run(run: Run, data: str | Path | Given, device: str, findings: Findings) -> pl.DataFrame | None:
    """Metrics per leaf x task: on the rows the run was measured on, or on another table with labels."""
    found = _forecast(run, *_rows(run, data, findings, labels=True), device, findings)
    return None if found is None else metrics_frame(judge(run.network, found))


def usage_run(run: Run, data: str | Path | Given, by: str | None, device: str, findings: Findings) -> Usage | None:
    """Which experts the nodes use, or the segments `by` a feature or level: on the rows the run was measured on, or on
    another table, labels or not.

    Counted batch by batch: what a batch selected is not kept.
    """
    if run.plan.baseline is not None:
        findings.extend(nothing_selected(run.plan.baseline.architecture))
        return None
    if data is None and by is None:
        return run.usage
    own = None if by is None else segments(run.plan, run.encoders, by, findings)
    if findings.errors:
        return None
    with OutputMeter(run.network) as outputs:
        found = _forecast(run, *_rows(run, data, findings, labels=False), device, findings, own)
    if found is None:
        return None
    usage = found.usage.with_dead_units(outputs.dead_units())
    return usage if by is None else usage.with_rows()


def predict_run(run: Run, data: str | Path | Given, device: str, findings: Findings) -> pl.DataFrame | None:
    """One float64 column per task: its probability for every row, in the table's order."""
    found = _forecast(run, _reading(run, data, findings, labels=False), "test", device, findings)
    if found is None:
        return None
    names = [task.name for task in run.plan.tasks.tasks]
    return pl.DataFrame({name: np.exp(found.yes_RT[:, i]) for i, name in enumerate(names)})


def _forecast(
    run: Run, reading: Reading | None, part: str, device: str, findings: Findings, by: Segments | None = None
) -> Forecast | None:
    """What the run says of rows that are encoded as they are read; None after telling what is wrong with them."""
    place = find_device(device, findings)
    if place is None or reading is None or findings.errors:
        return None
    found = forecast(run.network.to(place), Stream(reading, run.encoders, part), place, by)
    return None if findings.errors else found


def tell_no_data(plan: Plan, findings: Findings) -> bool:
    """Whether the plan names no data; it is told then."""
    if plan.data is None:
        findings.add("E307", "the spec does not say where the rows are", help='write `data { train = "..." }`')
    return plan.data is None


def _rows(run: Run, data: str | Path | Given, findings: Findings, *, labels: bool) -> tuple[Reading | None, str]:
    """The rows that the run was measured on, or another table, and the part they are; None after telling why not."""
    if data is not None:
        return _reading(run, data, findings, labels=labels), "test"
    if tell_no_data(run.plan, findings):
        return None, "test"
    roots = [Path(root) for root in run.info["roots"]]
    return open_tables(run.plan, roots, findings, _nowhere), str(run.info["measured on"])


def _reading(run: Run, data: str | Path | Given, findings: Findings, *, labels: bool) -> Reading | None:
    """A table apart from the run's own; None after telling that there is none."""
    if isinstance(data, str | Path):
        files = find([str(data)], [Path.cwd()], None, findings)
    else:
        files = given(data, GIVEN, findings)
    return None if findings.errors else open_table(run.plan, files, findings, _nowhere, labels=labels)


def _nowhere(path: str) -> None:
    """A run's spec has no places to point at."""
    return


def _measured(tables: Tables) -> tuple[str, EncodedTable]:
    if tables.test is not None:
        return "test", tables.test
    if tables.valid is not None:
        return "valid", tables.valid
    return "train", tables.train


def _lengths(tables: Tables) -> dict[str, int]:
    parts = {"valid": tables.valid, "test": tables.test}
    return {name: len(part) for name, part in parts.items() if part is not None}


def _said(fitted: Fitted) -> dict[str, Any]:
    said = {"steps": fitted.steps, "best step": fitted.best_step, "stopped early": fitted.stopped_early}
    best = next(epoch for epoch in fitted.history if epoch.step == fitted.best_step)
    return {**said, "log variances": best.log_variances} if best.log_variances else said
