"""The command that makes a simulated world."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Overwrite
from aesm_dsl.cli.output import say
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.spec_file import write_text


class WorldName(StrEnum):
    fund_search = "fund_search"
    groups = "groups"


def simulate(
    world: Annotated[
        WorldName,
        typer.Option("--world", help="A fund search, or scenarios in hidden groups that a network ought to find."),
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
    from aesm_dsl.api.simulate import world_spec

    folder = out or Path("data") / world.value
    count = _count(rows)
    if (folder / "train.parquet").exists() and not overwrite:
        findings = Findings()
        findings.add(
            "E601",
            f"`{folder}` holds a simulated world already",
            help="`--overwrite` replaces it; `-o` names another folder",
        )
        raise AesmError(findings)
    try:
        files, best = _write(world, folder, count, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rows") from error
    spec = folder / f"{world.value}.aesm"
    write_text(spec, world_spec(world.value))
    scores = ", ".join(f"{task} {value:.4f}" for task, value in best.items() if value is not None)
    say(f"wrote {', '.join(map(str, files))}, {spec}\nthe best AUC any model can reach on the test rows: {scores}")


def _write(world: WorldName, folder: Path, rows: int, seed: int) -> tuple[list[Path], dict[str, float | None]]:
    """The world's files, and the best AUC of each task."""
    if world is WorldName.groups:
        from aesm_dsl.data.simulate.groups import write_groups

        groups = write_groups(folder, rows, seed)
        return [groups.train, groups.test, groups.truth], {"hit": groups.bayes_auc}
    from aesm_dsl.data.simulate.fund_search import write_world

    funds = write_world(folder, rows, seed)
    return [funds.train, funds.test, funds.truth], funds.bayes_auc


def _count(text: str) -> int:
    """The number of `200k`, `1M` or `5000`."""
    scale = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    if not digits.replace("_", "").isdigit():
        raise typer.BadParameter(f"`{text}` is not a number of rows; write `5000`, `200k` or `1M`", param_hint="--rows")
    return int(digits) * scale
