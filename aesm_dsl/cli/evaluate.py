"""The command `aesm evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import AsResult, Device, ResultFormat, RunPath
from aesm_dsl.cli.output import print_json, print_table, warn


def evaluate(
    run: RunPath,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="TABLE", help="Another table with labels.", autocompletion=completion.tables),
    ] = None,
    streamed: Annotated[
        bool,
        typer.Option("--streamed", help="In fixed memory, whatever the rows; AUC within a bound that is told."),
    ] = False,
    device: Device = "auto",
    form: AsResult = ResultFormat.text,
) -> None:
    """Measure a run on the rows its training set aside, or on another table: every leaf and task."""
    from aesm_dsl.api import evaluate as api
    from aesm_dsl.api.load_run import load_run
    from aesm_dsl.report.metrics_table import metrics_table, queries_table

    loaded = load_run(run)
    metrics = api.evaluate(loaded, data, device=device, streamed=streamed, warn=warn)
    if form is ResultFormat.json:
        print_json(metrics.to_dicts())
    else:
        title = f"{loaded.plan.label} ({loaded.plan.name}): {data or loaded.info['measured on'] + ' rows'}"
        for table in (metrics_table(metrics, title, run), *queries_table(metrics, loaded.plan)):
            print_table(table)
