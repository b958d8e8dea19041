"""Plan + data -> Run: the story of a training, from its preconditions to the run folder.

Preconditions -> rows and encoders -> network (perhaps with the weights of another run) -> fitted network -> measured
run, written whole.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.open_tables import report_no_data
from aesm_dsl.data.prepare import Phase, Prepared, Tables, prepare
from aesm_dsl.data.reading.frames import TableLike, open_frames
from aesm_dsl.data.store.storage import RowsLostError
from aesm_dsl.files.whole import unwritten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.layers.pretrained_vectors import fill_vectors
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed.process_group import join_group
from aesm_dsl.training.distributed.shards import report_unsharded, shard_tables
from aesm_dsl.training.evaluate import IN_MEMORY
from aesm_dsl.training.finish import finish
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, gradient_weighting
from aesm_dsl.training.fit.loop import fit
from aesm_dsl.training.fit.loss_meter import DivergedError
from aesm_dsl.training.job import Job
from aesm_dsl.training.preconditions import check_preconditions
from aesm_dsl.training.run.checkpoint import Checkpoint
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.history import Epoch, FitResult, Progress
from aesm_dsl.training.run.log import TrainingLog
from aesm_dsl.training.run.mlflow_tracking import mlflow_tracker
from aesm_dsl.training.run.reporter import Reporter, ignore
from aesm_dsl.training.run.rescue import save_or_rescue
from aesm_dsl.training.run.resume import check_resumable, last_checkpoint
from aesm_dsl.training.run.run_in_progress import ELSEWHERE, RunInProgress, StartRecord, locked, rows_digest
from aesm_dsl.training.run.stop_signals import StopSignals
from aesm_dsl.training.run.warm_start import report_not_startable, start_from
from aesm_dsl.training.sharing.health import report_collapse


def train_plan(plan: Plan, job: Job, reporter: Reporter, data: TableLike | None = None) -> Run | None:
    """Reads and checks the data, fits encoders on the training rows, trains, measures, and writes the run folder.

    Started by torchrun, all processes train together: the first one alone warns, watches and writes, and all return
    the run, or None with the findings of all.

    Args:
        plan: what to train.
        job: where to, on which device, and from where.
        reporter: is told everything on the way.
        data: training rows in memory, in place of the plan's files.

    Returns:
        The run. None after adding errors: before the first step all that are wrong with the data in one go, after it
        only a loss that is no longer finite, or encoded tables that somebody has removed.
    """
    device = check_preconditions(plan, job.device, reporter)
    if device is None:
        return None
    processes = join_group(device)
    reporter = reporter.for_processes(processes)
    if job.mlflow and processes.is_first:
        reporter = replace(reporter, tracker=mlflow_tracker(reporter.findings, reporter.warn))
    job = replace(job, folder=processes.broadcast_object(job.folder))
    try:
        lock = locked(job.folder, reporter.findings) if processes.is_first else nullcontext()
        with reporter.tracker, lock:
            return _train(plan, job, device, reporter, data) if reporter.agree() else None
    except RowsLostError as error:
        span = reporter.locate("data.cache") or reporter.locate("data.train")
        again = "train again: they are made anew"
        reporter.findings.add(
            "E510", f"the encoded table `{error}` is gone", span, label="removed in training", help=again
        )
        return None


def _train(plan: Plan, job: Job, device: torch.device, reporter: Reporter, data: TableLike | None) -> Run | None:
    findings, locate, processes = reporter.findings, reporter.locate, reporter.processes
    weighting = gradient_weighting(plan.training.combine, findings, locate)
    report_not_startable(plan, job.warm_start, findings)
    prepared = prepare_rows(plan, job.roots, data, findings, locate, phase=reporter.phase)
    if not reporter.agree() or prepared is None:
        return None
    began = time.perf_counter()
    plan = fitted_plan(plan, prepared)
    network = fitted_network(plan, prepared)
    warm_start = start_from(job.warm_start, network, prepared.encoders)
    if plan.training.sharded:
        shard_tables(network, processes, device)
        report_unsharded(network, processes, findings, locate)
    reporter.warn(findings)
    network = network.to(device)
    reporter.phase("training")
    result = _fit(network, prepared.tables, job, reporter, weighting)
    if result is None:
        return None
    in_progress = RunInProgress.of(job.folder)
    training = {
        "training": in_progress.name,
        "seconds": round(time.perf_counter() - began, 1),
        **warm_start,
        **_summary(result),
    }
    reporter.phase("evaluating")
    late, history = Findings(), tuple(result.history)
    run = finish(network, prepared, job, training, device, findings=late, history=history, processes=processes)
    if processes.is_first:
        save_or_rescue(run, in_progress, overwrite=job.overwrite, findings=findings)
    if not reporter.agree():
        return None
    if processes.is_first:
        reporter.tracker.end(run.scores, result.steps, run.folder)
        in_progress.remove()
    report_collapse(plan, run.usage, late, locate)
    if late.items:
        reporter.warn(late)
    return run


def _fit(
    network: AnyNetwork, tables: Tables, job: Job, reporter: Reporter, weighting: GradientWeighting | None
) -> FitResult | None:
    """Fits the network, from the last checkpoint if the job says so; None after adding why training cannot go on."""
    processes, in_progress = reporter.processes, RunInProgress.of(job.folder)
    record = StartRecord(rows_digest(tables), processes.world_size)
    check_resumable(in_progress, record, reporter, resume=job.resume)
    if not reporter.agree():
        return None
    start = last_checkpoint(in_progress, reporter) if job.resume else None
    log = _begin(in_progress, job, record, start, reporter)
    if not reporter.agree() or log is None:
        return None
    reporter.tracker.begin(in_progress.folder, network.plan, job.spec, job.folder.name)
    result = None
    try:
        with StopSignals(patient=processes.world_size > 1) as stop, log:

            def watch(progress: Progress) -> None:
                log.progress(progress)
                reporter.watch(progress)

            def epoch_ended(epoch: Epoch) -> None:
                log.epoch(epoch)
                reporter.epoch_ended(epoch)

            result = fit(
                network,
                tables,
                replace(reporter, watch=watch, epoch_ended=epoch_ended),
                weighting=weighting,
                checkpoints=in_progress.checkpoints,
                start=start,
                stop=stop,
            )
            return result
    except DivergedError as error:
        steps = in_progress.checkpoints.steps()
        last = f"the last good checkpoint is of step {steps[-1]:,}, in `{in_progress.folder}`" if steps else ""
        rate = "a smaller `rate` in `optimizer` usually helps"
        reporter.error("E603", f"training stopped: {error}", "train", help=[rate, last])
        return None
    finally:
        if processes.is_first and result is None and not in_progress.started:
            in_progress.remove()


def _begin(
    in_progress: RunInProgress, job: Job, record: StartRecord, start: Checkpoint | None, reporter: Reporter
) -> TrainingLog | None:
    """The log of a training in its folder, which is made anew without a checkpoint; None after adding E613.

    Only the first process writes.
    """
    folder = in_progress.folder if reporter.processes.is_first else None
    try:
        if folder is not None and start is None:
            in_progress.begin(job.spec, record)
        return TrainingLog(folder, 0 if start is None else start.step, reporter.tracker, reporter.warn)
    except OSError as error:
        reporter.findings.add("E613", unwritten(in_progress.folder, error), help=ELSEWHERE)
        return None


def prepare_rows(
    plan: Plan,
    roots: Sequence[Path],
    data: TableLike | None,
    findings: Findings,
    locate: Locate,
    *,
    phase: Phase = ignore,
) -> Prepared | None:
    """Encodes the rows of the plan's files, or of `data` in their place; None after adding errors."""
    frames = [] if data is None else open_frames(data, IN_MEMORY, findings)
    if frames or (data is None and not report_no_data(plan, findings)):
        return prepare(plan, roots, findings, locate, frames, phase=phase)
    return None


def fitted_plan(plan: Plan, prepared: Prepared) -> Plan:
    """The plan, with embedding tables as large as the vocabularies and as wide as the files of vectors."""
    return plan.with_rows(prepared.encoders.rows(), {name: table.width for name, table in prepared.vectors.items()})


def fitted_network(plan: Plan, prepared: Prepared) -> AnyNetwork:
    """A new network of such a plan, with the vectors of files in its tables."""
    network = new_network(plan)
    fill_vectors(network, {name: torch.from_numpy(table.vector_KG) for name, table in prepared.vectors.items()})
    return network


def new_network(plan: Plan) -> AnyNetwork:
    """The plan's network, initialised from its seed. torch's global random generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        return build_network(plan)


def _summary(result: FitResult) -> dict[str, Any]:
    """What run.json says about the training."""
    summary = {"steps": result.steps, "best step": result.best_step, "stopped early": result.stopped_early}
    best = next(epoch for epoch in result.history if epoch.step == result.best_step)
    learnt = {"log variances": best.log_variances, "loss factors": best.loss_factors}
    return {**summary, **{name: of_task for name, of_task in learnt.items() if of_task}}
