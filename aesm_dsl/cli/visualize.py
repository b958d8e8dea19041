"""The command `aesm visualize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import By, Layers, Overrides, Picture
from aesm_dsl.cli.output import say


def visualize(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC|RUN",
            help="A spec draws its structure, a run what was learnt.",
            autocompletion=completion.specs_and_runs,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="A .svg, .png, .pdf or .dot file; of a run also .html, a page of all about it."
        ),
    ] = None,
    form: Annotated[
        Picture,
        typer.Option("--as", help="Of a run: a graph, a heat map, where rows flow, or how roles formed in training."),
    ] = Picture.graph,
    by: By = None,
    layers: Annotated[
        Layers,
        typer.Option("--layers", help="Of a run: each level's layer that tells its nodes apart best, or another."),
    ] = Layers.best,
    comparison: Annotated[
        Path | None,
        typer.Option("--compare", metavar="DIR", help="For a page: the comparison whose seesaw it shows."),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Draw the hierarchy of a spec, or which experts the nodes of a run learnt to share, or a page about a run."""
    from aesm_dsl.api import visualize as api

    default = what / "sharing.svg" if what.is_dir() else Path(f"{what.stem}.svg")
    path = api.visualize(
        what,
        out or default,
        form=form.value,
        by=by,
        layers=layers.value,
        comparison=comparison,
        overrides=overrides or (),
    )
    say(f"wrote {path}")
