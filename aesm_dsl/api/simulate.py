"""`aesm simulate`: the tables of a world with a known truth, and the spec that reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

WORLDS = ("fund_search", "groups", "many_ids")


@dataclass(frozen=True, slots=True)
class Simulated:
    """The files that a simulation wrote."""

    files: list[Path]
    """Training rows, test rows, and the truth as JSON."""
    spec: Path
    bayes_auc: dict[str, float | None]
    """For each task the best AUC that any model can reach on the test rows; None if a label is always the same."""


def simulate(world: str, folder: str | Path, *, rows: int, seed: int = 1, overwrite: bool = False) -> Simulated:
    """Writes a world's train.parquet, test.parquet and truth.json, and the spec that reads them.

    Args:
        world: "fund_search", a fund search; "groups", scenarios in hidden groups that a network ought to find;
            "many_ids", a shop with large vocabularies and few rows for each id.
        folder: where the files go.
        rows: how many rows, training and test rows together.
        seed: seed of the world.
        overwrite: replace a world that the folder holds.

    Raises:
        AesmError: the folder holds a world already (E601).
        ValueError: there are too few rows for this world, or no world has that name.
    """
    if world not in WORLDS:
        raise ValueError(f"no world {world!r}; there are {', '.join(WORLDS)}")
    folder = Path(folder)
    spec = folder / f"{world}.aesm"
    if not overwrite:
        _refuse_taken(folder, spec, {"world": world, "rows": rows, "seed": seed})
    bayes_auc: dict[str, float | None]
    if world == "groups":
        from aesm_dsl.data.simulate.groups import write_groups

        groups = write_groups(folder, rows, seed)
        files, bayes_auc = [groups.train, groups.test, groups.truth], {"hit": groups.bayes_auc}
    elif world == "many_ids":
        from aesm_dsl.data.simulate.many_ids import write_shop

        shop = write_shop(folder, rows, seed)
        files, bayes_auc = [shop.train, shop.test, shop.truth], shop.bayes_auc
    else:
        from aesm_dsl.data.simulate.fund_search import write_world

        funds = write_world(folder, rows, seed)
        files, bayes_auc = [funds.train, funds.test, funds.truth], funds.bayes_auc
    write_text(spec, world_spec(world))
    return Simulated(files, spec, bayes_auc)


def _refuse_taken(folder: Path, spec: Path, settings: dict[str, str | int]) -> None:
    """Raises E601 if the folder holds files of these names, but for a part of the same world: it was killed there."""
    files = [folder / "train.parquet", folder / "test.parquet", spec]
    taken = [file for file in files if file.exists()]
    try:
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        same = all(truth[name] == value for name, value in settings.items())
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if taken and (len(taken) == len(files) or not same):
        findings = Findings()
        what = "a simulated world" if len(taken) == len(files) else f"`{taken[0].name}`"
        help = "`--overwrite` replaces it; `-o` names another folder"
        findings.add("E601", f"`{folder}` holds {what} already", help=help)
        raise AesmError(findings)


def world_spec(name: str = "fund_search") -> str:
    """The text of the spec that reads a world whose tables lie beside it.

    It is the project's own spec, which the wheel carries beside this module; that one looks for tables in `data/NAME/`.
    """
    packed = Path(__file__).with_name(f"{name}.aesm")
    shipped = packed if packed.exists() else Path(__file__).parents[2] / "specs" / f"{name}.aesm"
    return shipped.read_text(encoding="utf-8").replace(f'"data/{name}/', '"')
