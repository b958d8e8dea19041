"""Where a training goes on: whether it may, and from which checkpoint."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.run.checkpoint import Checkpoint
from aesm_dsl.training.run.reporter import Reporter
from aesm_dsl.training.run.run_in_progress import RunInProgress, StartRecord

START_ANEW = "`--overwrite` without `--resume` begins anew"


def check_resumable(in_progress: RunInProgress, record: StartRecord, reporter: Reporter, *, resume: bool) -> None:
    """Adds E608 if the training was begun otherwise, and E609 if the processes do not read the same rows.

    Every process must call it.

    Args:
        record: what this training starts with.
        resume: whether a training that was stopped is to go on.
    """
    if reporter.processes.is_first and resume and in_progress.started:
        in_progress.report_unreadable(reporter.findings)
        _check_same_start(in_progress, record, reporter)
    records = reporter.processes.gather_objects(record)
    odd = [rank for rank, other in enumerate(records) if other != record]
    if odd:
        reporter.error(
            "E609",
            f"process {odd[0]} reads other rows than process 0",
            "data.train",
            help="every machine needs the same tables, at the same paths",
        )


def _check_same_start(in_progress: RunInProgress, record: StartRecord, reporter: Reporter) -> None:
    """Adds E608 if the training was begun with other rows, or by another number of processes."""
    before = in_progress.begun
    if before is None:
        return
    if before.rows != record.rows:
        reporter.error(
            "E608",
            f"the rows are not those that `{in_progress.folder}` was begun with",
            "data.train",
            help=["put the tables back as they were", START_ANEW],
        )
    elif before.processes != record.processes:
        was, verb = _count(before.processes), "is" if record.processes == 1 else "are"
        reporter.error(
            "E608",
            f"`{in_progress.folder}` was begun by {was}, and there {verb} {record.processes} now",
            "data.train",
            help=[f"go on with {was}: each has its own share of the rows", START_ANEW],
        )


def _count(processes: int) -> str:
    return "one process" if processes == 1 else f"{processes} processes of torchrun"


def last_checkpoint(in_progress: RunInProgress, reporter: Reporter) -> Checkpoint | None:
    """The checkpoint to go on from; None if there is none. Warns (W603) if that is not where the training stopped.

    Every process must call it; the first one decides.
    """
    processes = reporter.processes
    checkpoint, damaged = in_progress.checkpoints.last() if processes.is_first else (None, [])
    step = processes.broadcast_object(None if checkpoint is None else checkpoint.step)
    if not processes.is_first:
        return None if step is None else in_progress.checkpoints.of(step)
    warnings = Findings()
    instead = (
        "begins anew" if checkpoint is None else f"goes on from the checkpoint before, of step {checkpoint.step:,}"
    )
    if damaged:
        steps = ", ".join(f"{step:,}" for step in damaged)
        what = f"the checkpoint of step {steps} is damaged, or of another version of aesm"
        warnings.add("W603", f"in `{in_progress.folder}` {what}: training {instead}")
    elif checkpoint is None:
        warnings.add("W603", f"there is no checkpoint in `{in_progress.folder}`: training {instead}")
    strays = in_progress.checkpoints.strays() if processes.is_first else []
    if strays:
        listed = ", ".join(f"`{name}`" for name in strays[:3]) + (
            f" and {len(strays) - 3} more" if len(strays) > 3 else ""
        )
        verb = "is no checkpoint and is" if len(strays) == 1 else "are no checkpoints and are"
        warnings.add("W603", f"in `{in_progress.checkpoints.folder}`, {listed} {verb} left alone")
    if warnings.items:
        reporter.warn(warnings)
    return checkpoint
