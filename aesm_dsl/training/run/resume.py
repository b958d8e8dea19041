"""`fit_or_resume`: a training from its first step, or from the last checkpoint of an unfinished one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.prepare import Tables
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.training.distributed.process_group import Peers
from aesm_dsl.training.fit.combine import Weigh
from aesm_dsl.training.fit.loop import fit, unheard
from aesm_dsl.training.fit.loss_meter import DivergedError, Progress
from aesm_dsl.training.preconditions import agree
from aesm_dsl.training.run.checkpoint import Checkpoint
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.history import Epoch, Fitted
from aesm_dsl.training.run.log import Log
from aesm_dsl.training.run.mlflow_tracking import Track
from aesm_dsl.training.run.run_in_progress import Begun, Unfinished, digest
from aesm_dsl.training.run.stop_signals import Stop

ANEW = "`--overwrite` without `--resume` begins anew"


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
    warm_start: Run | None = None
    """Whose weights the network starts with, where they mean the same."""
    ended: Callable[[Epoch], None] = unheard
    """Called after every epoch."""
    mlflow: bool = False
    """Whether MLflow is told how it goes."""


def fit_or_resume(
    network: AnyNetwork,
    encoded: Tables,
    device: torch.device,
    weigh: Weigh | None,
    job: Job,
    findings: Findings,
    locate: Locate,
    warn: Callable[[Findings], None],
    watch: Callable[[Progress], None],
    peers: Peers,
    track: Track,
) -> Fitted | None:
    """Trains, from the last checkpoint where the job says so; None after telling why training cannot go on."""
    unfinished, begun = Unfinished.of(job.folder), Begun(digest(encoded), peers.world)
    if peers.first and job.resume and unfinished.started:
        _tell_others(unfinished, begun, findings, locate)
    _tell_other_rows(begun, findings, locate, peers)
    if not agree(findings, peers):
        return None
    start = _start(unfinished, warn, peers) if job.resume else None
    if start is None and peers.first:
        unfinished.begin(job.spec, begun)
    if peers.first:
        track.begin(unfinished.folder, network.plan, job.spec, job.folder.name)
    checkpoints, after = unfinished.checkpoints, 0 if start is None else start.step
    fitted = None
    try:
        with (
            Stop(patient=peers.world > 1) as stop,
            Log(unfinished.folder if peers.first else None, after, track) as log,
        ):

            def look(now: Progress) -> None:
                log.progress(now)
                watch(now)

            def ended(epoch: Epoch) -> None:
                log.epoch(epoch)
                job.ended(epoch)

            fitted = fit(network, encoded, device, look, weigh, checkpoints, start, stop, peers, ended)
            return fitted
    except DivergedError as error:
        kept = unfinished.checkpoints.steps()
        last = f"the last good checkpoint is of step {kept[-1]:,}, in `{unfinished.folder}`" if kept else ""
        rate = "a smaller `rate` in `optimizer` usually helps"
        findings.add("E603", f"training stopped: {error}", locate("train"), help=[rate, last])
        return None
    finally:
        if peers.first and fitted is None and not unfinished.started:
            unfinished.remove()


def _tell_others(unfinished: Unfinished, begun: Begun, findings: Findings, locate: Locate) -> None:
    """E608 where the training was begun with other rows, or by another number of processes."""
    before = unfinished.begun
    if before is None or before.rows != begun.rows:
        findings.add(
            "E608",
            f"the rows are not those that `{unfinished.folder}` was begun with",
            locate("data.train"),
            help=["put the tables back as they were", ANEW],
        )
    elif before.processes != begun.processes:
        findings.add(
            "E608",
            f"`{unfinished.folder}` was begun by {_processes(before.processes)}, and there "
            f"{'is' if begun.processes == 1 else 'are'} {begun.processes} now",
            help=[f"go on with {_processes(before.processes)}: each has its own share of the rows", ANEW],
        )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes of torchrun"


def _tell_other_rows(begun: Begun, findings: Findings, locate: Locate, peers: Peers) -> None:
    """E609 where the processes do not have the same rows."""
    other = [rank for rank, one in enumerate(peers.gathered(begun)) if one != begun]
    if other:
        findings.add(
            "E609",
            f"process {other[0]} reads other rows than process 0",
            locate("data.train"),
            help="every machine needs the same tables, at the same paths",
        )


def _start(unfinished: Unfinished, warn: Callable[[Findings], None], peers: Peers) -> Checkpoint | None:
    """The checkpoint to go on from; tells when that is not where the training stopped."""
    found, damaged = unfinished.checkpoints.last() if peers.first else (None, [])
    step = peers.told(None if found is None else found.step)
    if not peers.first:
        return None if step is None else unfinished.checkpoints.of(step)
    notes = Findings()
    instead = "begins anew" if found is None else f"goes on from the checkpoint before, of step {found.step:,}"
    if damaged:
        steps = ", ".join(f"{step:,}" for step in damaged)
        what = f"the checkpoint of step {steps} is damaged, or of another version of aesm"
        notes.add("W603", f"in `{unfinished.folder}` {what}: training {instead}")
    elif found is None:
        notes.add("W603", f"there is no checkpoint in `{unfinished.folder}`: training {instead}")
    if notes.items:
        warn(notes)
    return found
