"""The command `aesm simulate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Overwrite
from aesm_dsl.cli.output import say


class WorldName(StrEnum):
    fund_search = "fund_search"
    groups = "groups"
    many_ids = "many_ids"


def simulate(
    world: Annotated[
        WorldName,
        typer.Option(
            "--world",
            help="A fund search; scenarios in hidden groups that a network ought to find; or a shop with many ids.",
        ),
    ] = WorldName.fund_search,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the tables and the spec that reads them; by default data/WORLD."),
    ] = None,
    rows: Annotated[
        str, typer.Option("--rows", help="How many rows, such as `200k`; the last fifth, or of the days, is test.")
    ] = "200k",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the world.")] = 1,
    overwrite: Overwrite = False,
) -> None:
    """Make a world with a known truth: train.parquet, test.parquet, truth.json and the spec that reads them."""
    from aesm_dsl.api import simulate as api

    folder, count = out or Path("data") / world.value, _count(rows)
    try:
        made = api.simulate(world.value, folder, rows=count, seed=seed, overwrite=overwrite)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rows") from error
    scores = ", ".join(f"{task} {value:.4f}" for task, value in made.bayes_auc.items() if value is not None)
    say(
        f"wrote {', '.join(map(str, made.files))}, {made.spec}\n"
        f"the best AUC any model can reach on the test rows: {scores}"
    )


def _count(text: str) -> int:
    """The number of `200k`, `1M` or `5000`."""
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.replace("_", "").isdigit():
        raise typer.BadParameter(f"`{text}` is not a number of rows; write `5000`, `200k` or `1M`", param_hint="--rows")
    return int(digits) * scale
