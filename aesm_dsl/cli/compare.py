"""The command `aesm compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import AsResult, Device, Overrides, Overwrite, ResultFormat, SpecPath
from aesm_dsl.cli.output import console, print_json, print_table, say, warn


def compare(
    spec: SpecPath,
    *,
    rivals: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="ARCH,...",
            help="The architectures to compare with, as large as AES; by default all. And, if named, models from "
            "outside: `logistic`, `lightgbm`.",
            autocompletion=completion.rivals,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often each is trained, the spec's seed first.")] = 3,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the runs and compare.json; by default runs/NAME-compare."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Runs at a time; by default as many as there are cores.")
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    form: AsResult = ResultFormat.text,
    overrides: Overrides = None,
    tries: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            metavar="PATH=VALUE",
            help="A setting that each architecture may choose, by validation rows. Repeatable: those of one path are "
            "alternatives, those of different paths are combined.",
        ),
    ] = None,
) -> None:
    """Compare the AES model of a spec with baselines as large as it: leaderboard, leaf by leaf, the seesaw.

    Finished runs are kept: the same command goes on where it was interrupted, and may ask for more seeds or rivals.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from aesm_dsl.api import compare as api
    from aesm_dsl.report.comparison import comparison_tables
    from aesm_dsl.training.run.stop_signals import StoppedError

    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}"),
        TimeElapsedColumn(),
    )
    screen = console(sys.stderr)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task("runs", total=None, last="")

        def watch(now: api.Finished) -> None:
            value = (
                "" if now.mean_auc is None else f": {'validation' if now.candidate else 'mean'} AUC {now.mean_auc:.4f}"
            )
            last = f"{now.architecture}, seed {now.seed}{value}"
            progress.update(line, total=now.runs, completed=now.done, last=last)
            if not screen.is_terminal:
                say(f"{now.done} of {now.runs}: {last}")

        try:
            result = api.compare(
                spec,
                out,
                rivals=api.RIVALS if rivals is None else [name.strip() for name in rivals.split(",") if name.strip()],
                seeds=seeds,
                jobs=jobs,
                device=device,
                overwrite=overwrite,
                overrides=overrides or (),
                tries=tries or (),
                warn=warn,
                watch=watch,
            )
        except (StoppedError, KeyboardInterrupt) as stopped:
            what = f"{stopped} of a run" if isinstance(stopped, StoppedError) else "interrupted"
            say(f"{what}: the same command goes on with the runs that are not finished")
            raise typer.Exit(130) from stopped
    if form is ResultFormat.json:
        print_json(result.to_data())
    else:
        for table in comparison_tables(result):
            print_table(table)
    say(f"wrote {result.folder}")
