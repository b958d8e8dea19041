"""The command `aesm init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import Overwrite
from aesm_dsl.cli.output import say, warn


def init(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A parquet or csv file, a folder or glob of them.", autocompletion=completion.tables
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The spec to write; by default the table's name with `.aesm`.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draft a spec from a table: labels, levels, features and splits are guessed, each with a comment on why."""
    from aesm_dsl.api.init import init

    path = init(table, out, overwrite=overwrite, warn=warn)
    say(f"wrote {path}; look at every line, then: aesm check {path} --data")
