"""The command `aesm serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Device, RunPath
from aesm_dsl.cli.output import say


def serve(
    run: RunPath,
    *,
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
    from aesm_dsl.api import serve as api

    api.serve(
        run,
        model,
        address=host,
        port=port,
        device=device,
        batch_rows=batch_rows,
        wait_ms=wait_ms,
        ready=lambda url: say(f"serving {run} at {url}"),
    )
