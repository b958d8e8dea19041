"""The command `aesm lsp`."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from aesm_dsl.cli.output import say


def lsp(
    stdio: Annotated[
        bool, typer.Option("--stdio", hidden=True, help="What it does anyway; many editors say it.")
    ] = True,
) -> None:
    """Serve an editor on standard input and output: findings, help, completion, names, layout. See docs/editor.md."""
    if importlib.util.find_spec("pygls") is None:
        say('error: `aesm lsp` needs pygls; install it with `pip install "aesm-dsl[editor]"`')
        raise typer.Exit(1)
    from aesm_dsl.editor.server import serve

    serve()
