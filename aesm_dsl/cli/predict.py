"""Commands that put a run to use: predict, export, serve."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import Device, Overwrite, RunPath
from aesm_dsl.cli.output import console, say, warn


class OnBadRow(StrEnum):
    error = "error"
    skip = "skip"
    null = "null"


class Target(StrEnum):
    onnx = "onnx"
    pt2 = "pt2"


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

    from aesm_dsl.api import predict

    screen = console(sys.stderr)
    columns = (
        SpinnerColumn(),
        TextColumn("predict: {task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task("predict", total=None)
        done = predict.predict_file(
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
    written = done.rows - (done.bad if on_bad_row is OnBadRow.skip else 0)
    say(f"wrote {out}: {written:,} rows")


def export(
    run: RunPath,
    to: Annotated[Target, typer.Option("--to", help="An ONNX model, or a program of torch.export.")] = Target.onnx,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="The model's file, by default NAME.onnx or NAME.pt2; NAME.json goes beside it."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run as a model that a server runs without aesm, and a JSON file that says how rows become its inputs."""
    from aesm_dsl.api import export

    file = export.export(run, out, to=to.value, overwrite=overwrite)
    sys.stdout.write(f"{file}\n{file.with_suffix('.json')}\n")


def serve(
    run: RunPath,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="The run's export, a .onnx file: onnxruntime scores with it, faster than torch."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where to listen; the default is for this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8080,
    batch_rows: Annotated[
        int, typer.Option("--batch-rows", min=1, help="Rows of several requests that are scored together.")
    ] = 1024,
    wait_ms: Annotated[
        float, typer.Option("--wait-ms", min=0, max=1000, help="How long rows wait for others to be scored with.")
    ] = 0.0,
    device: Device = "auto",
) -> None:
    """Serve a run over HTTP by the Open Inference Protocol (v2, REST): raw values in, probabilities out."""
    from aesm_dsl.api import serve

    serve.host(
        run,
        model,
        address=host,
        port=port,
        device=device,
        batch_rows=batch_rows,
        wait_ms=wait_ms,
        ready=lambda url: say(f"serving {run} at {url}"),
    )
