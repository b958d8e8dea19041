"""Plan + data -> Run, and a run on further rows: evaluate, usage. What is wrong with the data goes into Findings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.encoded_stream import Stream
from aesm_dsl.data.open_tables import Reading, open_table, open_tables, tell_no_data
from aesm_dsl.data.prepare import Prepared, prepare
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import find
from aesm_dsl.data.reading.frames import Given, given
from aesm_dsl.data.store.storage import LostError
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork, build
from aesm_dsl.layers.pretrained_vectors import fill
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed.launch import world
from aesm_dsl.training.distributed.process_group import Peers, together
from aesm_dsl.training.distributed.shards import spread, tell_unshardable, tell_whole
from aesm_dsl.training.finish import finish
from aesm_dsl.training.fit.combine import method
from aesm_dsl.training.fit.compile import tell_uncompilable
from aesm_dsl.training.fit.loop import unwatched
from aesm_dsl.training.fit.loss_meter import Progress
from aesm_dsl.training.metrics.forecast import Forecast, forecast, judge, judge_streamed
from aesm_dsl.training.preconditions import agree, tell_unshareable
from aesm_dsl.training.run.folder import Run, metrics_frame, nothing_selected, save_run
from aesm_dsl.training.run.history import Fitted
from aesm_dsl.training.run.mlflow_tracking import Track, tracking
from aesm_dsl.training.run.resume import Job, fit_or_resume
from aesm_dsl.training.run.run_in_progress import Unfinished, held
from aesm_dsl.training.run.warm_start import refuse_start, start_from
from aesm_dsl.training.sharing.dead_outputs import OutputMeter
from aesm_dsl.training.sharing.health import tell_collapse
from aesm_dsl.training.sharing.segments import Segments, segments
from aesm_dsl.training.sharing.usage import Usage

GIVEN = "the table"
"""What findings call rows that are in memory."""


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
    loss that is no longer finite, and encoded tables that somebody has removed.

    Started by torchrun, all processes train together; the first one alone warns, watches and writes, all return the run
    or the findings of all.
    """
    place = find_device(job.device, findings)
    tell_unshareable(plan, findings, locate)
    if place is not None:
        tell_uncompilable(plan, place, findings, locate)
        tell_unshardable(plan, findings, locate)
    if findings.errors:
        return None
    assert place is not None
    peers = together(place)
    if not peers.first:
        warn, watch = unwarned, unwatched
    track = tracking(job.mlflow and peers.first, findings, warn)
    job = replace(job, folder=peers.told(job.folder))
    try:
        with track, held(job.folder, findings) if peers.first else nullcontext():
            if not agree(findings, peers):
                return None
            return _train(plan, job, place, findings, locate, warn, watch, data, peers, track)
    except LostError as error:
        span, helps = locate("data.cache") or locate("data.train"), "train again: they are made anew"
        findings.add("E510", f"the encoded table `{error}` is gone", span, label="removed in training", help=helps)
        return None


def unwarned(findings: Findings) -> None:
    """Warns of nothing."""


def _train(
    plan: Plan,
    job: Job,
    place: torch.device,
    findings: Findings,
    locate: Locate,
    warn: Callable[[Findings], None],
    watch: Callable[[Progress], None],
    data: Given,
    peers: Peers,
    track: Track,
) -> Run | None:
    weigh = method(plan.training.combine, findings, locate)
    refuse_start(plan, job.warm_start, findings)
    prepared = prepare_rows(plan, job.roots, data, findings, locate)
    if not agree(findings, peers) or prepared is None:
        return None
    began = time.perf_counter()
    encoders, encoded = prepared.encoders, prepared.tables
    plan = fitted_plan(plan, prepared)
    network = fitted_network(plan, prepared)
    carried = start_from(job.warm_start, network, encoders)
    if plan.training.sharded:
        spread(network, peers, place)
        tell_whole(network, peers, findings, locate)
    warn(findings)
    network = network.to(place)
    fitted = fit_or_resume(network, encoded, place, weigh, job, findings, locate, warn, watch, peers, track)
    if fitted is None:
        return None
    said = {"seconds": round(time.perf_counter() - began, 1), **carried, **_said(fitted)}
    run = finish(network, plan, prepared, place, job, tuple(fitted.history), said, peers)
    if peers.first:
        unfinished = Unfinished.of(job.folder)
        save_run(run, overwrite=job.overwrite, logs=unfinished.folder)
        track.end(run.scores, fitted.steps, run.folder)
        unfinished.remove()
    collapsed = Findings()
    tell_collapse(plan, run.usage, collapsed, locate)
    if collapsed.items:
        warn(collapsed)
    return run


def prepare_rows(plan: Plan, roots: Sequence[Path], data: Given, findings: Findings, locate: Locate) -> Prepared | None:
    """The rows of the plan's files, or of `data` in their place; None after adding errors."""
    rows = [] if data is None else given(data, GIVEN, findings)
    if rows or (data is None and not tell_no_data(plan, findings)):
        return prepare(plan, roots, findings, locate, rows)
    return None


def fitted_plan(plan: Plan, prepared: Prepared) -> Plan:
    """The plan with its tables as the rows, and files of vectors, want them."""
    return plan.with_rows(prepared.encoders.rows(), {name: one.width for name, one in prepared.vectors.items()})


def fitted_network(plan: Plan, prepared: Prepared) -> AnyNetwork:
    """A new network of such a plan, with the vectors of files in its tables."""
    network = new_network(plan)
    fill(network, {name: torch.from_numpy(one.vector_KG) for name, one in prepared.vectors.items()})
    return network


def new_network(plan: Plan) -> AnyNetwork:
    """The plan's network, initialised from its seed; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        return build(plan)


def evaluate_run(
    run: Run, data: str | Path | Given, device: str, findings: Findings, *, streamed: bool = False
) -> pl.DataFrame | None:
    """Metrics per leaf x task: on the rows the run was measured on, or on another table with labels."""
    reading, part = _rows(run, data, findings, labels=True)
    if streamed:
        place = find_device(device, findings)
        if place is None or reading is None or findings.errors:
            return None
        judged = judge_streamed(run.network.to(place), Stream(reading, run.encoders, part), place)
        return None if findings.errors else metrics_frame(judged)
    found = _forecast(run, reading, part, device, findings)
    return None if found is None else metrics_frame(judge(run.network, found))


def forecast_run(run: Run, device: str, findings: Findings) -> Forecast | None:
    """What a run says of the rows that it was measured on, read anew."""
    return _forecast(run, *_rows(run, None, findings, labels=True), device, findings)


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


def _forecast(
    run: Run, reading: Reading | None, part: str, device: str, findings: Findings, by: Segments | None = None
) -> Forecast | None:
    """What the run says of rows that are encoded as they are read; None after telling what is wrong with them."""
    place = find_device(device, findings)
    if place is None or reading is None or findings.errors:
        return None
    found = forecast(run.network.to(place), Stream(reading, run.encoders, part), place, by=by)
    return None if findings.errors else found


def find_device(name: str, findings: Findings) -> torch.device | None:
    """The device of a name; "auto" is CUDA when there is one, "cuda" a card of its own for each process of torchrun.

    None after telling that there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and world() > 1:
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        findings.add(
            "E604", f"there is no device `{name}` here", help="`auto` takes CUDA when there is one, else the CPU"
        )
        return None
    return device


def _rows(run: Run, data: str | Path | Given, findings: Findings, *, labels: bool) -> tuple[Reading | None, str]:
    """The rows that the run was measured on, or another table, and the part they are; None after telling why not."""
    if data is not None:
        return _reading(run, data, findings, labels=labels), "test"
    if tell_no_data(run.plan, findings):
        return None, "test"
    roots = [Path(root) for root in run.info["roots"]]
    return open_tables(run.plan, roots, findings, nowhere), str(run.info["measured on"])


def _reading(run: Run, data: str | Path | Given, findings: Findings, *, labels: bool) -> Reading | None:
    """A table apart from the run's own; None after telling that there is none."""
    files = find_table(data, findings)
    return None if findings.errors else open_table(run.plan, files, findings, nowhere, labels=labels)


def find_table(data: str | Path | Given, findings: Findings) -> list[DataFile]:
    """A table's files, or rows in memory; adds E501, E502 or E505 where there are none."""
    if isinstance(data, str | Path):
        return find([str(data)], [Path.cwd()], None, findings)
    return given(data, GIVEN, findings)


def nowhere(path: str) -> None:
    """A run's spec has no places to point at."""
    return


def _said(fitted: Fitted) -> dict[str, Any]:
    said = {"steps": fitted.steps, "best step": fitted.best_step, "stopped early": fitted.stopped_early}
    best = next(epoch for epoch in fitted.history if epoch.step == fitted.best_step)
    return {**said, "log variances": best.log_variances} if best.log_variances else said
