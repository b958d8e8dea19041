"""The command `aesm diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import AsResult, ResultFormat
from aesm_dsl.cli.output import print_json, print_table


def diff(
    old: Annotated[
        Path,
        typer.Argument(metavar="OLD", help="A spec, or the folder of a run.", autocompletion=completion.specs_and_runs),
    ],
    new: Annotated[
        Path,
        typer.Argument(metavar="NEW", help="A spec, or the folder of a run.", autocompletion=completion.specs_and_runs),
    ],
    form: AsResult = ResultFormat.text,
) -> None:
    """Say what differs between two specs, and what of a trained run would be kept, resized, new or lost."""
    from aesm_dsl.api import diff as api
    from aesm_dsl.report.difference import fates_table, settings_table

    difference = api.diff(old, new)
    if form is ResultFormat.json:
        print_json(difference.to_data())
        return
    if difference.settings:
        print_table(settings_table(difference.settings))
    print_table(fates_table(difference.fates))
