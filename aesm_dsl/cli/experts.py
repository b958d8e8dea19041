"""The command `aesm experts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import AsResult, By, Device, ResultFormat, RunPath
from aesm_dsl.cli.output import print_json, print_line, print_table


def experts(
    run: RunPath,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="TABLE", help="Another table; it needs no labels.", autocompletion=completion.tables
        ),
    ] = None,
    by: By = None,
    device: Device = "auto",
    form: AsResult = ResultFormat.text,
) -> None:
    """Say which experts the nodes of a run use, who shares with whom and how much, and what to try."""
    from aesm_dsl.api import usage as api
    from aesm_dsl.api.load_run import load_run
    from aesm_dsl.report.experts import experts_data, experts_sentences, experts_table
    from aesm_dsl.report.sharing_words import role_tables, sharing_sentences

    loaded = load_run(run)
    usage = api.usage(loaded, data, by=by, device=device)
    if form is ResultFormat.json:
        print_json(experts_data(usage))
        return
    title = f"{loaded.plan.label} ({loaded.plan.name}): {data or loaded.info['measured on'] + ' rows'}"
    title += "" if by is None else f", by {by}"
    print_table(experts_table(usage, title))
    for table in role_tables(usage):
        print_table(table)
    for sentence in (*sharing_sentences(loaded.plan, usage, segments=by is not None), *experts_sentences(usage)):
        print_line(sentence)
