"""The command that takes a run out of aesm: export."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl import exporting
from aesm_dsl.cli.arguments import Overwrite, RunPath


class Target(StrEnum):
    onnx = "onnx"


def export(
    run: RunPath,
    to: Annotated[Target, typer.Option("--to", help="The form of the model.")] = Target.onnx,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The model's file, by default NAME.onnx; NAME.json goes beside it."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run as a model that a server runs without aesm, and a JSON file that says how rows become its inputs."""
    file = exporting.export(run, out, overwrite=overwrite)
    sys.stdout.write(f"{file}\n{file.with_suffix('.json')}\n")
