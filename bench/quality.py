"""The tables of docs/quality.md: whether hidden groups are found, what a choice is worth, who wins on real tables.

    python bench/quality.py groups      [-o DIR] [--worlds 12]    AES against every rival in worlds with a known truth
    python bench/quality.py choices     [-o DIR] [--worlds 4]     one setting at a time, in other worlds than these
    python bench/quality.py SPEC.aesm   [-o DIR] [--seeds 5]      AES against every rival on a spec's own tables
    python bench/quality.py all         [-o DIR]                  all of it: worlds, fund search, hotels, census twice

Several may be named at once, and `--set` overrides settings of specs. Every architecture chooses its learning rate,
and whether weights are averaged, on the validation rows first (`aesm compare --try`). Every run is kept in DIR
(runs/quality by default) and not trained again. Choices among settings of the worlds are made in worlds of their own
(from seed 21 on), and what is reported is measured in the worlds 1, 2, ...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from aesm_dsl import compare, load_run, predict, train
from aesm_dsl.api.compare import RIVALS, Finished
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.simulate.groups import draw_truth, write_groups
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.training.compare import Comparison
from aesm_dsl.training.metrics.auc import auc as exact_auc
from aesm_dsl.training.metrics.group_recovery import recovery
from aesm_dsl.training.metrics.t_test import MeanOfRuns, mean_of_runs
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.sharing.sharing_matrix import mean_matrix

TRAINED, TESTED = 50_000, 200_000
"""Rows of a world. Many to test by: 2 % of them are to tell two models apart."""

SMALL = ("s6", "s7", "s8")
"""The scenarios of 5, 3 and 2 % of the rows."""

CHOSEN_FROM = 21
"""The first of the worlds that settings are chosen in."""

OF_LEVEL = "level.scenario.experts"

TRIES = (
    *(f"train.optimizer=adam(rate: {rate})" for rate in ("1e-3", "3e-3")),
    *(f"train.average={average}" for average in ("none", "ema(decay: 0.99)")),
)
"""What each architecture chooses from."""

SPECS: tuple[tuple[str, list[str]], ...] = (
    ("specs/fund_search.aesm", []),
    ("specs/hotel.aesm", []),
    ("specs/census.aesm", []),
    ("specs/census.aesm", ["tasks.task.income.label=y_edu_associate_plus"]),
)
"""Specs and overrides that `all` compares on, after the simulated worlds of hidden groups."""

CHOICES: dict[str, tuple[str, ...]] = {
    "shared_bottom": ("architecture=shared_bottom",),
    "shared_bottom, weights averaged": ("architecture=shared_bottom", "train.average=ema(decay: 0.99)"),
    "mmoe": ("architecture=mmoe",),
    "mmoe, weights averaged": ("architecture=mmoe", "train.average=ema(decay: 0.99)"),
    "mmoe, rate 1e-3": ("architecture=mmoe", "train.optimizer=adam(rate: 1e-3)"),
    "aes, the spec as it is": (),
    "weights averaged": ("train.average=ema(decay: 0.99)",),
    "rate 1e-3": ("train.optimizer=adam(rate: 1e-3)",),
    "experts of [32, 16]": (f"{OF_LEVEL}.hidden=[32, 16]",),
    "experts of [128, 16]": (f"{OF_LEVEL}.hidden=[128, 16]",),
    "4 experts": (f"{OF_LEVEL}.count=4",),
    "1 + 1 experts a row": (f"{OF_LEVEL}.specific=1", f"{OF_LEVEL}.shared=1"),
    "1 + 3 experts a row": (f"{OF_LEVEL}.specific=1", f"{OF_LEVEL}.shared=3"),
    "2 + 3 experts a row": (f"{OF_LEVEL}.shared=3",),
    "all experts for all rows": (f"{OF_LEVEL}.specific=8",),
    "one layer": (f"{OF_LEVEL}.repeat=1",),
    "no residual": (f"{OF_LEVEL}.residual=none",),
    "norm on the mixture (the language's default)": ("experts.mixture_norm=layer",),
    "no norm in the experts": ("experts.norm=none",),
    "noise 2.0 over 70 %": ("train.noise=anneal(from: 2.0, over: 70%)",),
    "noise 4.0 over 100 %": ("train.noise=anneal(from: 4.0, over: 100%)",),
    "noise 1.0 over 30 % (the language's default)": ("train.noise=anneal(from: 1.0, over: 30%)",),
    "lambda 0": ("train.specific_loss=0", "train.shared_loss=0"),
    "temperature 2": ("experts.temperature=2",),
    "dropout 10 %": ("experts.dropout=10%",),
    "weight decay 0.1": ("train.optimizer=adamw(rate: 3e-3, weight_decay: 0.1)",),
    "a tower per leaf": ("tasks.tower_per=leaf",),
}
"""What is chosen -> its overrides of specs/groups.aesm."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", help="`groups`, `choices`, specs, or `all`")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/quality"))
    parser.add_argument("--worlds", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--with", dest="rivals", default=",".join(RIVALS))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE")
    given = parser.parse_args()
    console, rivals = Console(width=150), given.rivals.split(",")
    every = [("groups", []), ("choices", []), *((spec, overrides) for spec, overrides in SPECS)]
    asked = every if given.what == ["all"] else [(what, given.overrides) for what in given.what]
    for what, overrides in asked:
        if what == "groups":
            console.print(groups(given.out, given.worlds or 12, rivals))
        elif what == "choices":
            console.print(choices(given.out, given.worlds or 4))
        else:
            for table in comparison_tables(of_spec(what, overrides, given.out, rivals, given.seeds)):
                console.print(table)


def of_spec(spec: str, overrides: Sequence[str], out: Path, rivals: Sequence[str], seeds: int) -> Comparison:
    """AES against every rival on the tables of a spec, in a folder for each spec and its overrides."""
    name = "-".join([Path(spec).stem, *(one.rpartition("=")[2] for one in overrides)])
    return compare(
        spec, out / name, rivals=rivals, seeds=seeds, device="cpu", overrides=overrides, tries=TRIES, watch=_tell
    )


def groups(out: Path, worlds: int, rivals: Sequence[str]) -> Table:
    """Each world is a training of each architecture, with a truth, rows and a seed of its own."""
    runs: dict[str, list[Run]] = {}
    for seed in range(1, worlds + 1):
        spec = world(out, seed)
        found = compare(
            spec,
            out / f"groups-{seed}",
            rivals=rivals,
            seeds=1,
            device="cpu",
            overrides=[f"train.seed={seed}"],
            tries=TRIES,
            watch=_tell,
        )
        for name, (path,) in found.runs.items():
            runs.setdefault(name, []).append(load_run(found.folder / path))
    title = f"{worlds} worlds of hidden groups: AUC on the test rows"
    table = _table(title, f"p: paired t-test over the {worlds} worlds.")
    for name in ("all rows", "AES minus", "p", "small", "AES minus", "p", "same group: layers, mean"):
        table.add_column(name, justify="right")
    ahead = {name: (auc(own), auc(own, SMALL)) for name, own in runs.items()}
    for name, (every, small) in ahead.items():
        cells = []
        for values, of_aes in zip((every, small), ahead["aes"], strict=True):
            less = mean_of_runs([one - other for one, other in zip(of_aes, values, strict=True)])
            cells += [f"{np.mean(values):.4f}", *(("", "") if name == "aes" else _cells(less))]
        table.add_row(name, *cells, recovered(runs[name], range(1, worlds + 1)) if name == "aes" else "")
    known = np.mean([of_true_groups(out, seed) for seed in range(1, worlds + 1)], axis=0)
    table.add_row("single, one model per true group", f"{known[0]:.4f}", "", "", f"{known[1]:.4f}")
    return table


def of_true_groups(out: Path, seed: int) -> tuple[float, float]:
    """AUC over all rows, and the small scenarios' mean, of a model per group, told which group each row is of.

    The group's largest scenario stands for all of it.
    """
    spec, groups = world(out, seed), draw_truth(seed).groups
    stands = {name: next(other for other in groups if groups[other] == group) for name, group in groups.items()}
    folder, run = out / f"true-{seed}", out / f"true-{seed}-single"
    if not (run / "run.json").is_file():
        folder.mkdir(exist_ok=True)
        for part in ("train", "test"):
            frame = pl.read_parquet(spec.parent / f"{part}.parquet")
            frame.with_columns(pl.col("scenario").replace(stands)).write_parquet(folder / f"{part}.parquet")
        gone = {f"node {name}" for name, other in stands.items() if name != other}
        lines = [one for one in spec.read_text(encoding="utf-8").splitlines() if one.strip() not in gone]
        (folder / spec.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        averaged = ["train.average=ema(decay: 0.99)", f"train.seed={seed}"]
        train(folder / spec.name, run, arch="single", device="cpu", overrides=averaged)
    test = pl.read_parquet(spec.parent / "test.parquet").with_columns(predict(run, folder / "test.parquet"))
    small = [test.filter(scenario=name) for name in SMALL]
    every, *of_small = [exact_auc(one["hit"].to_numpy(), one["is_hit"].to_numpy()) or 0.0 for one in (test, *small)]
    return every, float(np.mean(of_small))


def choices(out: Path, worlds: int) -> Table:
    table = _table(f"One setting at a time, in {worlds} other worlds: AUC on the test rows")
    for name in ("all rows", "small", "same group: layers, mean"):
        table.add_column(name, justify="right")
    seeds = range(CHOSEN_FROM, CHOSEN_FROM + worlds)
    for name, overrides in CHOICES.items():
        runs = []
        for seed in seeds:
            folder = out / "choices" / f"{'-'.join(name.split())}-{seed}"
            if not (folder / "run.json").is_file():
                train(world(out, seed), folder, device="cpu", overrides=[f"train.seed={seed}", *overrides])
                sys.stderr.write(f"{name}, world {seed}\n")
            runs.append(load_run(folder))
        found = recovered(runs, seeds) if runs[0].plan.baseline is None else ""
        table.add_row(name, f"{np.mean(auc(runs)):.4f}", f"{np.mean(auc(runs, SMALL)):.4f}", found)
    return table


def world(out: Path, seed: int) -> Path:
    """The spec of a world, whose tables are made where they are missing."""
    folder = out / f"world-{seed}"
    if not (folder / "truth.json").is_file():
        write_groups(folder, TRAINED + TESTED, seed, TESTED / (TRAINED + TESTED))
    spec = folder / "groups.aesm"
    spec.write_text(world_spec("groups"), encoding="utf-8")
    return spec


def auc(runs: Sequence[Run], leaves: Sequence[str] = ("all",)) -> list[float]:
    """Of each run the mean AUC over these leaves."""
    return [float(np.mean([one.auc for one in run.scores if one.leaf in leaves])) for run in runs]


def recovered(runs: Sequence[Run], worlds: Sequence[int]) -> str:
    """Mean over the runs of the AUC of "same group", for each layer of the scenario level and for their mean matrix."""
    layers = range(len(runs[0].plan.levels[0].layers))
    found = []
    for run, seed in zip(runs, worlds, strict=True):
        matrices = [run.sharing("scenario", layer).matrix for layer in layers]
        both = mean_matrix(run.usage.level("scenario"))
        found.append([recovery(one, draw_truth(seed).groups) for one in (*matrices, both)])
    return ", ".join(f"{value:.2f}" for value in np.mean(found, axis=0))


def _table(title: str, more: str = "") -> Table:
    caption = f"small: mean of {', '.join(SMALL)}. {more}"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("")
    return table


def _cells(less: MeanOfRuns) -> tuple[str, str]:
    return f"{less.value:+.4f}", "-" if less.p is None else f"{less.p:.3f}"


def _tell(now: Finished) -> None:
    sys.stderr.write(f"{now.done} of {now.runs}: {now.architecture}, seed {now.seed}\n")


if __name__ == "__main__":
    main()
