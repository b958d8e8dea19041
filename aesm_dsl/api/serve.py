"""`host`: a run behind an HTTP server, until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import load_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


def host(
    run: Run | str | Path,
    model: str | Path | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 8080,
    device: str = "auto",
    batch_rows: int = 1024,
    wait_ms: float = 0.0,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves a run by the Open Inference Protocol (v2, REST) until SIGINT or SIGTERM.

    model       the run's exported model: it scores in onnxruntime, in place of the network in torch
    address     where to listen; the default is for this machine alone. Port 0 takes a free one
    batch_rows  rows of several requests that are scored together
    wait_ms     how long rows wait for others to be scored with
    ready       called with the server's URL once it listens

    Needs the extra `serve`.
    """
    # The rows of a request are few: threads that hand them to each other take longer than the work. Too late where
    # polars is loaded already.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from aesm_dsl.serving.engine import onnx_engine, torch_engine
    from aesm_dsl.training.preconditions import find_device

    findings = Findings()
    loaded = load_run(run) if isinstance(run, str | Path) else run
    try:
        from aesm_dsl.serving.server import Limits, listen, make_server
    except ModuleNotFoundError as error:
        helps = "`pip install 'aesm-dsl[serve]'` installs what a server needs"
        findings.add("E632", f"a server needs the library `{error.name}`, which is not installed", help=helps)
        raise AesmError(findings) from None
    place = find_device(device, findings)
    if place is None:
        raise AesmError(findings)
    engine = torch_engine(loaded, place) if model is None else onnx_engine(loaded, Path(model), findings)
    if engine is None:
        raise AesmError(findings)
    try:
        listening = listen(address, port)
    except OSError as error:
        findings.add(
            "E632", f"`{address}:{port}` cannot be listened on: {error.strerror}", help="`--port 0` takes a free one"
        )
        raise AesmError(findings) from None
    with listening:
        ready(f"http://{address}:{listening.getsockname()[1]}")
        make_server(engine, Limits(batch_rows=batch_rows, wait_s=wait_ms / 1e3)).run([listening])
