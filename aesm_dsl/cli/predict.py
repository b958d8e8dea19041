"""The command `aesm predict`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import Device, RunPath
from aesm_dsl.cli.output import console, say, warn


class OnBadRow(StrEnum):
    error = "error"
    skip = "skip"
    null = "null"


def predict(
    run: RunPath,
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="parquet, Arrow or csv with the features' columns; a file or folder.",
            autocompletion=completion.tables,
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A .parquet or .csv file: one probability per task and row.")
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COLUMN", help="A column to go with the scores; repeatable, `*` for all."),
    ] = None,
    on_bad_row: Annotated[
        OnBadRow,
        typer.Option(help="A row that training would refuse: write nothing, leave it out, or give it null scores."),
    ] = OnBadRow.error,
    device: Device = "auto",
) -> None:
    """Score a table of any size: the probability of every task for every row, in the table's order."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from aesm_dsl.api import predict as api

    screen = console(sys.stderr)
    columns = (
        SpinnerColumn(),
        TextColumn("predict: {task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task("predict", total=None)
        done = api.predict_file(
            run,
            table,
            out,
            keep=keep or (),
            on_bad_row=on_bad_row.value,
            device=device,
            watch=lambda rows: progress.update(line, completed=rows),
        )
    if done.warnings.items:
        warn(done.warnings)
    for task, column in done.columns.items():
        if column != task:
            say(f"the scores of {task} are in column {column}: the table's own column {task} was kept")
    written = done.rows - (done.bad if on_bad_row is OnBadRow.skip else 0)
    say(f"wrote {out}: {written:,} rows")
