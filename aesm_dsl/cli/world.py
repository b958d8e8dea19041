"""The command that makes the simulated world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Overwrite
from aesm_dsl.cli.output import say
from aesm_dsl.diagnostic import Findings
from aesm_dsl.error import AesmError
from aesm_dsl.spec_file import write_text


def simulate(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the tables and the spec that reads them.")
    ] = Path("data/fund_search"),
    rows: Annotated[
        str, typer.Option("--rows", help="How many rows, such as `200k`; the last fifth of the days is test.")
    ] = "200k",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the world.")] = 1,
    overwrite: Overwrite = False,
) -> None:
    """Make the fund-search world with a known truth: train.parquet, test.parquet, truth.json and the spec."""
    from aesm_dsl.data.simulate import write_world
    from aesm_dsl.data.world_spec import world_spec

    count = _count(rows)
    if (out / "train.parquet").exists() and not overwrite:
        findings = Findings()
        findings.add(
            "E601",
            f"`{out}` holds a simulated world already",
            help="`--overwrite` replaces it; `-o` names another folder",
        )
        raise AesmError(findings)
    try:
        world = write_world(out, count, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rows") from error
    spec = out / "fund_search.aesm"
    write_text(spec, world_spec())
    best = ", ".join(f"{task} {value:.4f}" for task, value in world.bayes_auc.items() if value is not None)
    say(
        f"wrote {world.train}, {world.test}, {world.truth}, {spec}\n"
        f"the best AUC any model can reach on the test rows: {best}"
    )


def _count(text: str) -> int:
    """The number of `200k`, `1M` or `5000`."""
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.replace("_", "").isdigit():
        raise typer.BadParameter(f"`{text}` is not a number of rows; write `5000`, `200k` or `1M`", param_hint="--rows")
    return int(digits) * scale
