"""`aesm serve`: a run behind an HTTP server, until it is stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run

FEWEST_CONNECTIONS = 8
"""A server that may serve fewer at a time does not start."""


def serve(
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
    """Serves a run over HTTP by the Open Inference Protocol (v2, REST) until SIGINT or SIGTERM.

    Needs the extra `serve`.

    Args:
        run: a run, or its folder.
        model: the run's exported model, which scores in onnxruntime; None scores with the network in torch.
        address: where to listen; the default accepts connections from this machine only.
        port: 0 takes a free one.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        batch_rows: rows of several requests that are scored together.
        wait_ms: how long rows wait for others to be scored with, in milliseconds.
        ready: called with the server's URL once it listens.

    Raises:
        AesmError: the run, the model, the device or the address cannot be used, or a library is missing.
    """
    # The rows of a request are few, and handing them between threads takes longer than the work on them. It has no
    # effect if polars is loaded already.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from aesm_dsl.serving.engine import onnx_engine, torch_engine
    from aesm_dsl.training.preconditions import find_device

    findings = Findings()
    loaded = as_run(run)
    try:
        from aesm_dsl.serving.limits import Limits
        from aesm_dsl.serving.server import listen, make_server
    except ModuleNotFoundError as error:
        help = "`pip install 'aesm-dsl[serve]'` installs what a server needs"
        findings.add("E632", f"a server needs the library `{error.name}`, which is not installed", help=help)
        raise AesmError(findings) from None
    found_device = find_device(device, findings)
    if found_device is None:
        raise AesmError(findings)
    engine = torch_engine(loaded, found_device) if model is None else onnx_engine(loaded, Path(model), findings)
    if engine is None:
        raise AesmError(findings)
    try:
        listening = listen(address, port)
    except OSError as error:
        findings.add(
            "E632",
            f"`{_in_url(address)}:{port}` cannot be listened on: {error.strerror}",
            help="`--port 0` takes a free one",
        )
        raise AesmError(findings) from None
    limits = Limits(batch_rows=batch_rows, wait_s=wait_ms / 1e3).within_descriptors()
    if limits.connections < FEWEST_CONNECTIONS:
        message = "this process may open too few files for a server, of which every connection is one"
        findings.add("E632", message, help="`ulimit -n 1024` before it allows more")
        raise AesmError(findings)
    with listening:
        ready(f"http://{_in_url(address)}:{listening.getsockname()[1]}")
        make_server(engine, limits).run([listening])


def _in_url(address: str) -> str:
    """The address as URLs have it: one of IPv6 in brackets, the sign before its zone encoded."""
    return f"[{address.replace('%', '%25')}]" if ":" in address else address
