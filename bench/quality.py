"""Makes the tables of docs/quality.md: are hidden groups found, what is a choice worth, which architecture is best?

    python bench/quality.py groups      [-o DIR] [--worlds 12]    AES against every rival in worlds with a known truth
    python bench/quality.py choices     [-o DIR] [--worlds 4]     one setting at a time, in other worlds than these
    python bench/quality.py defaults    [-o DIR]                  what the defaults are worth, on four tables
    python bench/quality.py SPEC.aesm   [-o DIR] [--seeds 5]      AES against every rival on a spec's own tables
    python bench/quality.py all         [-o DIR]                  all of it: worlds, fund search, hotels, census twice

Several may be named at once, and `--set` overrides settings of specs. Every architecture first chooses its learning
rate, and whether weights are averaged, on the validation rows (`aesm compare --try`). Every run is kept in DIR
(runs/quality by default) and not trained again. Settings for the worlds are chosen in other worlds (from seed 21 on)
than those that are reported (1, 2, ...).
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
from aesm_dsl.api.simulate import simulate, world_spec
from aesm_dsl.data.simulate.groups import draw_truth, write_groups
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.training.compare import Comparison
from aesm_dsl.training.metrics.auc import auc as exact_auc
from aesm_dsl.training.metrics.group_recovery import recovery
from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.metrics.t_test import MeanOfRuns, mean_of_runs
from aesm_dsl.training.outside.outside_run import load_outside_run
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.sharing.sharing_matrix import mean_matrix

TRAINED, TESTED = 50_000, 200_000
"""Training and test rows of a world. There are many test rows, because 2 % of them have to tell two models apart."""

SMALL = ("s6", "s7", "s8")
"""The scenarios of 5, 3 and 2 % of the rows."""

CHOSEN_FROM = 21
"""Seed of the first world in which settings are chosen."""

OF_LEVEL = "level.scenario.experts"
"""Path of the experts' settings on the scenario level."""

TRIES = (
    *(f"train.optimizer=adam(rate: {rate})" for rate in ("1e-3", "3e-3")),
    *(f"train.average={average}" for average in ("none", "ema(decay: 0.99)")),
)
"""Settings from which each architecture chooses."""

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
"""Names of choices, and their overrides of specs/groups.aesm. The folders of kept runs have these names."""


TABLES = {"many ids": "1e-3", "fund search": "3e-3", "hidden groups": "3e-3", "hotel": "1e-3"}
"""The tables on which defaults are tried, and the learning rates of their specs."""

DEFAULTS: dict[str, tuple[str, ...]] = {
    "the specs as they are": (),
    "no decay of embeddings": ("train.optimizer=adam(rate: {rate}, embeddings_decay: 0)",),
    "constant rate": ("train.schedule=constant",),
}
"""Names of choices, and their overrides of the specs of TABLES."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", help="`groups`, `choices`, `defaults`, specs, or `all`")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/quality"))
    parser.add_argument("--worlds", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--with", dest="rivals", default=",".join(RIVALS))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE")
    options = parser.parse_args()
    console, rivals = Console(width=150), options.rivals.split(",")
    all_parts = [("groups", []), ("choices", []), ("defaults", []), *((spec, overrides) for spec, overrides in SPECS)]
    parts = all_parts if options.what == ["all"] else [(part, options.overrides) for part in options.what]
    for part, overrides in parts:
        if part == "groups":
            console.print(groups(options.out, options.worlds or 12, rivals))
        elif part == "choices":
            console.print(choices(options.out, options.worlds or 4))
        elif part == "defaults":
            console.print(defaults(options.out))
        else:
            for table in comparison_tables(compare_spec(part, overrides, options.out, rivals, options.seeds)):
                console.print(table)


def compare_spec(spec: str, overrides: Sequence[str], out: Path, rivals: Sequence[str], seeds: int) -> Comparison:
    """Compares AES with the baselines on the tables of a spec, in a folder for each spec and its overrides."""
    name = "-".join([Path(spec).stem, *(override.rpartition("=")[2] for override in overrides)])
    return compare(
        spec, out / name, rivals=rivals, seeds=seeds, device="cpu", overrides=overrides, tries=TRIES, watch=_report
    )


def groups(out: Path, worlds: int, rivals: Sequence[str]) -> Table:
    """Trains each architecture once in every world; each world has its own truth, rows and seed."""
    runs: dict[str, list[Run]] = {}
    for seed in range(1, worlds + 1):
        spec = world(out, seed)
        comparison = compare(
            spec,
            out / f"groups-{seed}",
            rivals=rivals,
            seeds=1,
            device="cpu",
            overrides=[f"train.seed={seed}"],
            tries=TRIES,
            watch=_report,
        )
        for name, (path,) in comparison.runs.items():
            runs.setdefault(name, []).append(load_run(comparison.folder / path))
        for name, (path,) in comparison.outside.items():
            runs.setdefault(name, []).append(load_outside_run(comparison.folder / path))
    title = f"{worlds} worlds of hidden groups: AUC on the test rows"
    table = _table(title, f"p: paired t-test over the {worlds} worlds.")
    for name in ("all rows", "AES minus", "p", "small", "AES minus", "p", "recovery: layers, mean"):
        table.add_column(name, justify="right")
    aucs = {name: (auc(architecture_runs), auc(architecture_runs, SMALL)) for name, architecture_runs in runs.items()}
    for name, pair in aucs.items():
        cells = []
        for values, aes_values in zip(pair, aucs["aes"], strict=True):
            gain = mean_of_runs([aes - value for aes, value in zip(aes_values, values, strict=True)])
            cells += [f"{np.mean(values):.4f}", *(("", "") if name == "aes" else _cells(gain))]
        table.add_row(name, *cells, recovered(runs[name], range(1, worlds + 1)) if name == "aes" else "")
    best = np.mean([true_groups_auc(out, seed) for seed in range(1, worlds + 1)], axis=0)
    table.add_row("single, one model per true group", f"{best[0]:.4f}", "", "", f"{best[1]:.4f}")
    return table


def true_groups_auc(out: Path, seed: int) -> tuple[float, float]:
    """Returns the AUC over all rows, and the small scenarios' mean, of one model per true group.

    In its tables, the largest scenario of a group replaces all others of the group.
    """
    spec, groups = world(out, seed), draw_truth(seed).groups
    largest = {name: next(other for other in groups if groups[other] == group) for name, group in groups.items()}
    folder, run = out / f"true-{seed}", out / f"true-{seed}-single"
    if not (run / "run.json").is_file():
        folder.mkdir(exist_ok=True)
        for part in ("train", "test"):
            frame = pl.read_parquet(spec.parent / f"{part}.parquet")
            frame.with_columns(pl.col("scenario").replace(largest)).write_parquet(folder / f"{part}.parquet")
        replaced = {f"node {name}" for name, other in largest.items() if name != other}
        lines = [line for line in spec.read_text(encoding="utf-8").splitlines() if line.strip() not in replaced]
        (folder / spec.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        averaged = ["train.average=ema(decay: 0.99)", f"train.seed={seed}"]
        train(folder / spec.name, run, arch="single", device="cpu", overrides=averaged)
    test = pl.read_parquet(spec.parent / "test.parquet").with_columns(predict(run, folder / "test.parquet"))
    small = [test.filter(scenario=name) for name in SMALL]
    overall, *of_small = [
        exact_auc(rows["hit"].to_numpy(), rows["is_hit"].to_numpy()) or 0.0 for rows in (test, *small)
    ]
    return overall, float(np.mean(of_small))


def choices(out: Path, worlds: int) -> Table:
    """Trains AES with one setting changed at a time, and two baselines, in other worlds than `groups`."""
    table = _table(f"One setting at a time, in {worlds} other worlds: AUC on the test rows")
    for name in ("all rows", "small", "recovery: layers, mean"):
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
        recovery_cell = recovered(runs, seeds) if runs[0].plan.baseline is None else ""
        table.add_row(name, f"{np.mean(auc(runs)):.4f}", f"{np.mean(auc(runs, SMALL)):.4f}", recovery_cell)
    return table


def defaults(out: Path) -> Table:
    """Trains a shared bottom and AES with one default changed at a time, on tables that no other table here uses."""
    specs = {"many ids": simulated(out, "many_ids"), "fund search": simulated(out, "fund_search")}
    specs |= {"hidden groups": world(out, CHOSEN_FROM), "hotel": Path("specs/hotel.aesm")}
    table = Table(
        title="One default at a time: best validation AUC of an epoch (test AUC), means of the tasks",
        title_justify="left",
    )
    for name in ("", "architecture", *TABLES):
        table.add_column(name)
    for name, overrides in DEFAULTS.items():
        for arch in ("shared_bottom", "aes"):
            cells = []
            for which, rate in TABLES.items():
                folder = out / "defaults" / "-".join([*name.split(), arch, *which.split()])
                if not (folder / "run.json").is_file():
                    own = [override.replace("{rate}", rate) for override in overrides]
                    train(specs[which], folder, arch=arch, device="cpu", overrides=own)
                    sys.stderr.write(f"{name}, {arch}, {which}\n")
                run = load_run(folder)
                best = max(epoch.valid_mean_auc or 0.0 for epoch in run.history)
                cells.append(f"{best:.4f} ({auc([run])[0]:.4f})")
            table.add_row(name, arch, *cells)
    return table


def simulated(out: Path, name: str) -> Path:
    """Returns the spec of a simulated world with 200,000 rows; makes its tables if they are missing."""
    spec = out / name / f"{name}.aesm"
    if not spec.is_file():
        simulate(name, out / name, rows=200_000, seed=CHOSEN_FROM)
    return spec


def world(out: Path, seed: int) -> Path:
    """Returns the spec of a world; makes the world's tables if they are missing."""
    folder = out / f"world-{seed}"
    if not (folder / "truth.json").is_file():
        write_groups(folder, TRAINED + TESTED, seed, TESTED / (TRAINED + TESTED))
    spec = folder / "groups.aesm"
    spec.write_text(world_spec("groups"), encoding="utf-8")
    return spec


def auc(runs: Sequence[Run], leaves: Sequence[str] = (ALL,)) -> list[float]:
    """Returns for each run the mean AUC over these leaves."""
    return [float(np.mean([score.auc for score in run.scores if score.leaf in leaves])) for run in runs]


def recovered(runs: Sequence[Run], worlds: Sequence[int]) -> str:
    """Returns the mean recovery over the runs, for each layer of the scenario level and for their mean matrix.

    Recovery is the AUC with which the sharing matrix predicts that two scenarios are of one group.
    """
    layers = range(len(runs[0].plan.levels[0].layers))
    recoveries = []
    for run, seed in zip(runs, worlds, strict=True):
        matrices = [run.sharing("scenario", layer).matrix for layer in layers]
        mean = mean_matrix(run.usage.level("scenario"))
        recoveries.append([recovery(matrix, draw_truth(seed).groups) for matrix in (*matrices, mean)])
    return ", ".join(f"{value:.2f}" for value in np.mean(recoveries, axis=0))


def _table(title: str, more: str = "") -> Table:
    caption = f"small: mean of {', '.join(SMALL)}. {more}"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("")
    return table


def _cells(gain: MeanOfRuns) -> tuple[str, str]:
    return f"{gain.value:+.4f}", "-" if gain.p is None else f"{gain.p:.3f}"


def _report(now: Finished) -> None:
    sys.stderr.write(f"{now.done} of {now.runs}: {now.architecture}, seed {now.seed}\n")


if __name__ == "__main__":
    main()
