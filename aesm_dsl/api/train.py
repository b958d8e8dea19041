"""`aesm train`: a spec trained on its data, which leaves a run folder behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import SpecLike, compile_or_report
from aesm_dsl.api.load_run import as_run, load_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.changes import report_changes
from aesm_dsl.spec.read_json import add_json_paths
from aesm_dsl.spec.spec_file import data_roots

if TYPE_CHECKING:
    from aesm_dsl.data.reading.frames import TableLike
    from aesm_dsl.training.run.folder import Run
    from aesm_dsl.training.run.history import Epoch, Progress


def train(
    spec: SpecLike,
    out: str | Path | None = None,
    *,
    data: TableLike | None = None,
    arch: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    resume: bool = False,
    warm_start: Run | str | Path | None = None,
    mlflow: bool = False,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
    watch: Callable[[Progress], None] = lambda progress: None,
    ended: Callable[[Epoch], None] = lambda epoch: None,
    phase: Callable[[str], None] = lambda name: None,
) -> Run:
    """Trains a spec on its data and leaves a run folder behind.

    While it trains, checkpoints lie in a folder beside `out`, with the ending `.training`. The run is measured on the
    test rows; without any on the validation rows, else on the training rows. Started by torchrun, all processes train
    together, and each returns the run: see docs/scale.md.

    Args:
        spec: a `Spec`, or the path of a spec file.
        out: the run folder; None for `runs/NAME`, numbered if there is one.
        data: the training rows, in place of the spec's files: a polars, pandas or Arrow table, a list of them, or a
            function that returns an iterator of them. Test and validation rows are split from them.
        arch: an architecture other than the spec's; the same as the override `architecture=ARCH`.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        overwrite: replace the folder `out`, once the new run is complete.
        resume: go on from the last checkpoint of a training that was stopped (without `out`, the latest one of the
            spec). A run of this spec that is complete is returned as it is.
        warm_start: a run whose weights the network starts with, as far as they mean the same (`diff` lists them).
        mlflow: log the training to MLflow, at MLFLOW_TRACKING_URI (extra `mlflow`).
        overrides: settings that replace those of the file.
        warn: called with the warnings before the first step, and after the last one if experts have collapsed or some
            rows have no finite score.
        watch: called every few steps.
        ended: called after every epoch; what it raises ends the training.
        phase: called with the name of what begins: "reading 3 files" and "encoding 4,000 rows" (unless
            they are kept from before), "training", "validating" after an epoch, and at the end "evaluating".

    Returns:
        The run, with the metrics of every leaf and task.

    Raises:
        AesmError: the spec, the data or the folder is wrong; the exception lists everything that is.
        StoppedError: SIGINT or SIGTERM arrived; a checkpoint was written first.
    """
    from aesm_dsl.training.job import Job
    from aesm_dsl.training.run.reporter import Reporter
    from aesm_dsl.training.run.run_in_progress import RunInProgress, free_folder, latest_in_progress
    from aesm_dsl.training.train import train_plan

    findings = Findings()
    compiled = compile_or_report(spec, overrides, findings, arch)
    if compiled is None:
        raise AesmError(findings)
    name = compiled.spec.name
    folder = Path(out) if out is not None else (latest_in_progress if resume else free_folder)(Path("runs") / name)
    in_progress = RunInProgress.of(folder)
    if resume and (folder / "run.json").is_file() and in_progress.is_over(folder):
        complete, changes = load_run(folder), Findings()
        report_changes(complete.spec, compiled, folder, changes)
        if not changes.errors:
            return complete
        if not overwrite:
            raise AesmError(changes)
    if resume and in_progress.started:
        in_progress.report_unreadable(findings)
        if findings.errors:
            raise AesmError(findings)
        report_changes(in_progress.spec, compiled, in_progress.folder, findings)
    in_progress.report_taken(folder, overwrite, resume, findings)
    job = Job(
        compiled.resolved(),
        folder,
        data_roots(compiled.spec),
        device,
        overwrite,
        resume,
        warm_start=None if warm_start is None else as_run(warm_start),
        mlflow=mlflow,
    )
    reporter = Reporter(findings, compiled.spec.places.of, warn, watch, ended, phase)
    run = train_plan(compiled.plan, job, reporter, data)
    if run is None:
        add_json_paths(findings)
        raise AesmError(findings)
    return run
