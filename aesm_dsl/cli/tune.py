"""The command `aesm tune`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import AsResult, Device, Overrides, ResultFormat, SpecPath
from aesm_dsl.cli.output import console, print_json, say, warn


def tune(
    spec: SpecPath,
    *,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trainings, earlier ones included.")] = 20,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the search; by default runs/NAME-tune.")
    ] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin a search anew.")] = False,
    form: AsResult = ResultFormat.text,
    overrides: Overrides = None,
) -> None:
    """Search the values that the spec's `tune` names (extra `tune`), and write the best spec beside it.

    The same command goes on with a search that was interrupted, and may ask for more trials.
    """
    from aesm_dsl.api import tune as api
    from aesm_dsl.training.run.stop_signals import StoppedError

    def watch(now: api.Tried) -> None:
        value = {"pruned": "stopped early", "fail": "could not be trained"}.get(
            now.state
        ) or f"mean AUC {now.value:.4f}"
        best = "" if now.best is None else f" (best {now.best:.4f})"
        say(f"{now.number} of {now.trials}: {value}{best}: {'; '.join(now.settings)}")

    try:
        result = api.tune(
            spec,
            out,
            trials=trials,
            device=device,
            overwrite=overwrite,
            overrides=overrides or (),
            warn=warn,
            watch=watch,
        )
    except StoppedError as stopped:
        say(f"{stopped} of a trial: the same command begins it again, and goes on with the search")
        raise typer.Exit(130) from stopped
    if form is ResultFormat.json:
        print_json({**asdict(result), "spec": str(result.spec)})
    else:
        screen = console(sys.stdout)
        screen.print(f"mean AUC {result.value:.4f} on the validation rows, the best of {result.trials} trials:")
        for setting in result.settings:
            screen.print(f"  {setting}", markup=False, soft_wrap=True)
    say(f"wrote {result.spec}")
