"""A comparison as tables for a terminal: the leaderboard, leaf by leaf, and the seesaw."""

from __future__ import annotations

from itertools import groupby

from rich.table import Table

from aesm_dsl.training.compare import SINGLE, UNIFIED, Comparison, Standing, verdict
from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.metrics.t_test import MeanOfRuns

MARK = {"gain": "+", "loss": "-", "even": " "}


def comparison_tables(found: Comparison) -> list[Table]:
    """Leaderboard, AUC by leaf and task, and the seesaw where `single` took part."""
    tables = [_leaderboard(found), _by_leaf(found)]
    return [*tables, _seesaw(found)] if found.seesaw else tables


def _leaderboard(found: Comparison) -> Table:
    names = list(dict.fromkeys(one.task for one in found.standings))
    chosen = [f"{one.architecture}: {', '.join(one.settings)}" for one in found.contenders if one.settings]
    overall = {(one.architecture, one.task): one for one in found.standings if one.leaf == ALL}
    table = _table(
        f"{found.label} ({found.name}): AUC on all {found.measured_on} rows, {_seeds(found)}",
        f"aes minus: the AES model's mean less this one's, seed by seed, with the p of the paired t-test.\n"
        f"Baselines have as many {'parameters' if found.match == 'parameters' else 'FLOPs a row'} as AES; "
        "embedding tables are not counted. rows/s: in training, as the runs came."
        + "".join(f"\n{one}" for one in ["Chosen for each on the validation rows:", *chosen] if chosen),
    )
    table.add_column("")
    for name in (*names, "mean", "95 %", "aes minus", "p", "parameters", "FLOPs a row", "rows/s"):
        table.add_column(name, justify="right", style="bold" if name == "mean" else None)
    for one in found.contenders:
        cells = [_auc(overall.get((one.architecture, name))) for name in names]
        table.add_row(
            one.architecture,
            *cells,
            f"{one.auc.value:.4f}",
            _interval(one.auc),
            _signed(one.behind),
            _p(one.behind),
            f"{one.parameters:,}",
            f"{one.flops:,}",
            f"{one.rows_per_second:,.0f}",
        )
    return table


def _by_leaf(found: Comparison) -> Table:
    names = [one.architecture for one in found.contenders]
    table = _table(
        "AUC by leaf and task, mean over the seeds",
        "Behind a rival's value, + where AES is surely ahead of it and - where it is surely behind (p < 0.05).\n"
        "Seeds say what another training would give on these rows, not what other rows would give.",
    )
    table.add_column("leaf")
    table.add_column("task")
    for name in ("rows", *names):
        table.add_column(name, justify="right")
    for (leaf, task), group in groupby(found.standings, key=lambda one: (one.leaf, one.task)):
        by_name = {one.architecture: one for one in group}
        best = max(one.auc.value for one in by_name.values())
        cells = [_cell(by_name[name], best) for name in names]
        table.add_row(leaf, task, f"{by_name[UNIFIED].rows:,}", *cells)
    return table


def _seesaw(found: Comparison) -> Table:
    counts = {kind: sum(one.verdict == kind for one in found.seesaw) for kind in MARK}
    table = _table(
        f"The seesaw: one AES model for all leaves against one model per leaf (`{SINGLE}`)",
        f"{counts['gain']} gains (+), {counts['loss']} losses (-), {counts['even']} even: p >= 0.05, or one seed.\n"
        "p: over the seeds, another training on these rows; p by rows: the same trainings on other rows (DeLong).",
    )
    table.add_column("leaf")
    table.add_column("task")
    for name in ("rows", UNIFIED, SINGLE, "gain", "95 %", "p", "p by rows", ""):
        table.add_column(name, justify="right", style="bold" if name == "gain" else None)
    for one in found.seesaw:
        table.add_row(
            one.leaf,
            one.task,
            f"{one.rows:,}",
            f"{one.unified:.4f}",
            f"{one.single:.4f}",
            _signed(one.gain),
            _interval(one.gain),
            _p(one.gain),
            "-" if one.by_rows is None else f"{one.by_rows.p:.3f}",
            MARK[one.verdict],
        )
    return table


def _table(title: str, caption: str) -> Table:
    return Table(title=title, title_justify="left", caption=caption, caption_justify="left")


def _seeds(found: Comparison) -> str:
    return f"seed {found.seeds[0]}" if len(found.seeds) == 1 else f"{len(found.seeds)} seeds"


def _auc(standing: Standing | None) -> str:
    return "-" if standing is None else f"{standing.auc.value:.4f}"


def _cell(one: Standing, best: float) -> str:
    mark = " " if one.behind is None else MARK[verdict(one.behind)]
    text = f"{one.auc.value:.4f}{mark}"
    return f"[bold]{text}[/bold]" if one.auc.value == best else text


def _interval(value: MeanOfRuns) -> str:
    return "-" if value.low is None else f"{value.low:.4f} to {value.high:.4f}"


def _signed(value: MeanOfRuns | None) -> str:
    return "" if value is None else f"{value.value:+.4f}"


def _p(value: MeanOfRuns | None) -> str:
    if value is None:
        return ""
    return "-" if value.p is None else f"{value.p:.3f}"
