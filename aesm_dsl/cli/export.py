"""The command `aesm export`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Overwrite, RunPath


class ExportFormat(StrEnum):
    onnx = "onnx"
    pt2 = "pt2"


def export(
    run: RunPath,
    to: Annotated[
        ExportFormat, typer.Option("--to", help="An ONNX model, or a program of torch.export.")
    ] = ExportFormat.onnx,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="The model's file, by default NAME.onnx or NAME.pt2; NAME.json goes beside it."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run as a model that a server runs without aesm, and a JSON file that says how rows become its inputs."""
    from aesm_dsl.api import export as api

    file = api.export(run, out, to=to.value, overwrite=overwrite)
    sys.stdout.write(f"{file}\n{file.with_suffix('.json')}\n")
