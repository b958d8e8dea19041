"""Makes the tables of all architectures in docs/quality.md: each with the features as they are, and above a bottom.

    python bench/architectures.py [TABLE ...] [-o DIR] [--seeds 3] [--worlds 5] [--bottom none] [--with NAMES]

The tables are `hotel`, `census`, `education` (the census with its other pair of tasks), `fund_search` (a world on which
nothing was chosen) and `groups` (several worlds, one training in each); without a name all of them. With `hotel` every
architecture first chooses its learning rate on the validation rows (`aesm compare --try`). Every run is kept in DIR
(runs/architectures by default) and not trained again, so an interrupted bench goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quality import world

from aesm_dsl import compare, compile_spec, load_run
from aesm_dsl.api.compare import RIVALS, Finished
from aesm_dsl.api.outside import outside_runs
from aesm_dsl.api.simulate import simulate
from aesm_dsl.training.compare import Comparison
from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.metrics.t_test import mean_of_runs
from aesm_dsl.training.outside.outside_run import OutsideRun
from aesm_dsl.training.run.folder import Run

BOTTOM = ("bottom.interaction=dcn_v2",)
"""The best bottom, for all tables and architectures: cross layers over numbers encoded piecewise."""

RATES = tuple(f"train.optimizer=adam(rate: {rate})" for rate in ("1e-3", "3e-3"))
AVERAGE = "train.average=ema(decay: 0.99)"

TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hotel": ((), RATES),
    "census": (RATES[1:], ()),
    "education": ((*RATES[1:], "tasks.task.income.label=y_edu_associate_plus"), ()),
    "fund_search": ((), ()),
    "groups": ((AVERAGE, "level.scenario.experts.repeat=1"), ()),
}
"""Names of tables, overrides of their specs, and the settings from which each architecture chooses.

Only with the hotel did architectures choose different rates before (docs/quality.md). With `groups` all weights are
averaged, which helps rivals and does nothing for AES; one AES layer on the level is as good there as two, and cheaper.
"""

NEW = 31
"""Seed of the fund search, and of the first world of groups: nothing was chosen on these."""


OUTSIDE = "lightgbm"
"""A model from outside, beside the architectures without a bottom."""


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture on one table, above one bottom."""

    auc: list[float]
    """Mean AUC of the tasks on all test rows, for each seed or world."""
    parameters: str = ""
    flops: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/architectures"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--worlds", type=int, default=5)
    parser.add_argument("--bottom", choices=("none", "best", "both"), default="both")
    parser.add_argument("--with", dest="rivals", default=",".join(RIVALS))
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args()
    bottoms = ("none", "best") if options.bottom == "both" else (options.bottom,)
    for name in options.tables or TABLES:
        rows = {bottom: _rows(name, bottom, options) for bottom in bottoms}
        sys.stdout.write(_table(name, rows))


def _rows(name: str, bottom: str, options: argparse.Namespace) -> dict[str, Row]:
    """Architecture -> its row; with `groups`, one training in each world."""
    specs, seeds = _specs(name, options.out, options.worlds), 1 if name == "groups" else options.seeds
    (own, tries), comparisons = TABLES[name], []
    for spec in specs:
        overrides = [*own, *(_best_bottom(spec) if bottom == "best" else ())]
        folder = options.out / f"{name}-{spec.parent.name}-{bottom}"
        more = {"rivals": options.rivals.split(","), "seeds": seeds, "jobs": options.jobs, "tries": tries}
        comparisons.append(compare(spec, folder, device="cpu", overrides=overrides, watch=_report, **more))
    rows = {
        first.architecture: Row(
            [value for comparison in comparisons for value in _aucs(_runs(comparison, first.architecture))],
            f"{first.parameters:,}",
            f"{first.flops:,}",
        )
        for first in comparisons[0].contenders
    }
    if bottom == "none":
        own_runs = [outside_runs(spec, options.out / name, (OUTSIDE,), seeds=seeds, overrides=own) for spec in specs]
        rows[OUTSIDE] = Row([value for runs in own_runs for value in _aucs(runs[OUTSIDE])])
    return rows


def _runs(comparison: Comparison, architecture: str) -> list[Run]:
    return [load_run(comparison.folder / path) for path in comparison.runs[architecture]]


def _aucs(runs: Sequence[Run | OutsideRun]) -> list[float]:
    """For each run the mean of the tasks' AUC on all rows."""
    return [float(np.mean([score.auc for score in run.scores if score.leaf == ALL])) for run in runs]


def _specs(name: str, out: Path, worlds: int) -> list[Path]:
    """The specs of a table, of which `groups` has several; simulates what is missing."""
    if name == "groups":
        return [world(out, seed) for seed in range(NEW, NEW + worlds)]
    if name == "fund_search":
        spec = out / name / f"{name}.aesm"
        if not spec.is_file():
            simulate(name, out / name, rows=200_000, seed=NEW)
        return [spec]
    return [Path(f"specs/{'census' if name == 'education' else name}.aesm")]


def _best_bottom(spec: Path) -> list[str]:
    """BOTTOM, and for every number in buckets the same number encoded piecewise, with as many bins as buckets."""
    overrides = list(BOTTOM)
    for feature in compile_spec(spec).plan.features:
        if feature.kind == "number":
            options = [f"encoding: piecewise(bins: {feature.rows - 1})", f"embed: {feature.width}"]
            options += [f"column: {feature.column}"] if feature.column != feature.name else []
            overrides.append(f"features.{feature.group}.{feature.name}=number({', '.join(options)})")
    return overrides


def _table(name: str, rows_of: Mapping[str, Mapping[str, Row]]) -> str:
    """The table in Markdown: the architectures above the last bottom from the best to the worst."""
    columns = [f"{'no' if bottom == 'none' else 'best'} bottom | AES minus | p" for bottom in rows_of]
    lines = [
        f"{name}: AUC on the test rows, mean of the tasks",
        "",
        f"| | {' | '.join(columns)} | parameters | FLOPs per row |",
        "|---" * (3 + 3 * len(columns)) + "|",
    ]
    every = {arch: row for rows in rows_of.values() for arch, row in rows.items()}
    for arch, row in sorted(every.items(), key=lambda item: -float(np.mean(item[1].auc))):
        cells = [cell for rows in rows_of.values() for cell in _cells(rows, arch)]
        lines.append(f"| {' | '.join([arch, *cells, row.parameters, row.flops])} |")
    return "\n".join(lines) + "\n"


def _cells(rows: Mapping[str, Row], arch: str) -> list[str]:
    """The mean, by how much AES is ahead, and the p of that over seeds or worlds; empty if it has no row."""
    if arch not in rows:
        return ["", "", ""]
    mean = f"{np.mean(rows[arch].auc):.4f}"
    if arch == "aes":
        return [mean, "", ""]
    ahead = mean_of_runs([aes - value for aes, value in zip(rows["aes"].auc, rows[arch].auc, strict=True)])
    p = "-" if ahead.p is None else "< .001" if ahead.p < 0.001 else f"{ahead.p:.3f}"
    return [mean, f"{ahead.value:+.4f}", p]


def _report(now: Finished) -> None:
    sys.stderr.write(f"{now.done} of {now.runs}: {now.architecture}, seed {now.seed}\n")


if __name__ == "__main__":
    main()
