"""The command `aesm train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import Arch, AsResult, Device, Overrides, Overwrite, ResultFormat, SpecPath
from aesm_dsl.cli.output import console, print_json, print_line, print_table, say, warn


def train(
    spec: SpecPath,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The run folder; by default runs/NAME, numbered.")
    ] = None,
    arch: Arch = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of a training that was stopped.")
    ] = False,
    warm_start: Annotated[
        Path | None,
        typer.Option(
            "--warm-start",
            metavar="RUN",
            help="Start with what this run learnt, as far as the specs agree.",
            autocompletion=completion.runs,
        ),
    ] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Tell MLflow too, where MLFLOW_TRACKING_URI says (extra `mlflow`).")
    ] = False,
    form: AsResult = ResultFormat.text,
    overrides: Overrides = None,
) -> None:
    """Train a spec on its data; prints AUC and log loss of every leaf and task, and leaves a run folder."""
    from aesm_dsl.api import train as api
    from aesm_dsl.cli.progress import progress
    from aesm_dsl.report.baseline import size_data, size_line
    from aesm_dsl.report.metrics_table import metrics_table, queries_table
    from aesm_dsl.report.training_end import training_sentences
    from aesm_dsl.training.distributed.launch import world_size
    from aesm_dsl.training.run.stop_signals import StoppedError

    try:
        with progress(console(sys.stderr)) as watchers:
            run = api.train(
                spec,
                out,
                arch=arch,
                device=device,
                overwrite=overwrite,
                resume=resume,
                warm_start=warm_start,
                mlflow=mlflow,
                overrides=overrides or (),
                warn=warn,
                watch=watchers.watch,
                ended=watchers.ended,
                phase=watchers.phase,
            )
    except StoppedError as stopped:
        again = ["aesm", "train", str(spec), *(["-o", str(out)] if out else []), *(["--arch", arch] if arch else [])]
        again += [
            *(["--overwrite"] if overwrite else []),
            *(["--mlflow"] if mlflow else []),
            *(f"--set={override}" for override in overrides or ()),
        ]
        many = "" if world_size() == 1 else f", started by torchrun with {world_size()} processes again,"
        where = "from the last checkpoint" if stopped.unsaved else "from there"
        say(f"{stopped}: `{shlex.join([*again, '--resume'])}`{many} goes on {where}")
        raise typer.Exit(130) from stopped
    baseline = run.plan.baseline
    if form is ResultFormat.json:
        size = {} if baseline is None else {"size": size_data(run.plan, baseline)}
        print_json({"run": str(run.folder), **run.info, **size, "metrics": run.metrics.to_dicts()})
    else:
        title = f"{run.plan.label} ({run.plan.name}): {run.info['measured on']} rows, {run.info['seconds']} s"
        for table in (metrics_table(run.metrics, title, run.folder), *queries_table(run.metrics, run.plan)):
            print_table(table)
        if baseline is not None:
            console(sys.stdout).print(size_line(run.plan, baseline))
        for sentence in training_sentences(run):
            print_line(sentence)
    say(f"wrote {run.folder}")
