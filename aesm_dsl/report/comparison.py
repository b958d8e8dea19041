"""A comparison as tables for a terminal: the leaderboard, leaf by leaf, and the seesaw."""

from __future__ import annotations

from itertools import groupby

from rich.table import Table

from aesm_dsl.report.metrics_table import MOST_LEAVES
from aesm_dsl.training.compare import SINGLE, UNIFIED, Comparison, Standing, verdict
from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.metrics.t_test import MeanOfRuns

LEFT_OUT = (
    f"These are the {MOST_LEAVES} leaves with the most rows and the {MOST_LEAVES} of the largest differences; "
    "compare.json has {:,} more."
)
MARK = {"gain": "+", "loss": "-", "even": " "}


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Returns the leaderboard, the AUC by leaf and task, and the seesaw if `single` took part."""
    tables = [_leaderboard(comparison), _by_leaf(comparison)]
    return [*tables, _seesaw(comparison)] if comparison.seesaw else tables


def _leaderboard(comparison: Comparison) -> Table:
    tasks = list(dict.fromkeys(standing.task for standing in comparison.standings))
    chosen = [
        f"{contender.architecture}: {', '.join(contender.settings)}"
        for contender in comparison.contenders
        if contender.settings
    ]
    overall = {
        (standing.architecture, standing.task): standing for standing in comparison.standings if standing.leaf == ALL
    }
    table = _table(
        f"{comparison.label} ({comparison.name}): AUC on all {comparison.measured_on} rows, {_seeds(comparison)}",
        f"aes minus: the AES model's mean minus this one's, seed by seed, with the p of the paired t-test.\n"
        f"Baselines have as many {'parameters' if comparison.match == 'parameters' else 'FLOPs per row'} as AES; "
        "embedding tables are not counted.\nrows/s: in training; runs at the same time slow each other down."
        + "".join(f"\n{line}" for line in ["Settings chosen on the validation rows:", *chosen] if chosen)
        + _from_outside(comparison),
    )
    table.add_column("")
    for name in (*tasks, "mean AUC", "95 %", "aes minus", "p", "parameters", "FLOPs per row", "rows/s"):
        table.add_column(name, justify="right", style="bold" if name == "mean AUC" else None)
    for contender in comparison.contenders:
        table.add_row(
            contender.architecture,
            *(_auc(overall.get((contender.architecture, task))) for task in tasks),
            f"{contender.auc.value:.4f}",
            _interval(contender.auc),
            _signed(contender.behind),
            _p(contender.behind),
            contender.size or f"{contender.parameters:,}",
            "-" if contender.flops is None else f"{contender.flops:,}",
            "-" if contender.rows_per_second is None else f"{contender.rows_per_second:,.0f}",
        )
    return table


def _from_outside(comparison: Comparison) -> str:
    """What is said of models from outside; "" without any."""
    names = [contender.architecture for contender in comparison.contenders if contender.outside]
    if not names:
        return ""
    several = len(names) > 1
    sentence = (
        f"{' and '.join(names)}: from outside, {'one model each' if several else 'a model'} for every task, all leaves"
    )
    return "".join(f"\n{line}." for line in (sentence, *comparison.notes))


def _by_leaf(comparison: Comparison) -> Table:
    names = [contender.architecture for contender in comparison.contenders]
    table = _table(
        "AUC by leaf and task, mean over the seeds",
        "After a baseline's value: + if AES is significantly ahead of it, - if it is significantly behind (p < 0.05).\n"
        "Seeds say what another training would give on these rows, not what other rows would give.",
    )
    table.add_column("leaf")
    table.add_column("task")
    for name in ("rows", *names):
        table.add_column(name, justify="right")
    leaves, left_out = _shown_leaves(comparison)
    if left_out:
        table.caption = f"{table.caption}\n{LEFT_OUT.format(left_out)}"
    standings = [standing for standing in comparison.standings if standing.leaf in leaves]
    for (leaf, task), group in groupby(standings, key=lambda standing: (standing.leaf, standing.task)):
        by_name = {standing.architecture: standing for standing in group}
        best = max(standing.auc.value for standing in by_name.values())
        cells = [_cell(by_name[name], best) for name in names]
        table.add_row(leaf, task, f"{by_name[UNIFIED].rows:,}", *cells)
    return table


def _seesaw(comparison: Comparison) -> Table:
    counts = {kind: sum(swing.verdict == kind for swing in comparison.seesaw) for kind in MARK}
    table = _table(
        f"The seesaw: one AES model for all leaves against one model per leaf (`{SINGLE}`)",
        f"{counts['gain']} gains (+), {counts['loss']} losses (-), {counts['even']} even: p >= 0.05, or one seed.\n"
        "p: over the seeds, for another training on these rows.\n"
        "p by rows: for the same trainings on other rows (DeLong).",
    )
    table.add_column("leaf")
    table.add_column("task")
    for name in ("rows", UNIFIED, SINGLE, "gain", "95 %", "p", "p by rows", ""):
        table.add_column(name, justify="right", style="bold" if name == "gain" else None)
    leaves, left_out = _shown_leaves(comparison)
    if left_out:
        table.caption = f"{table.caption}\n{LEFT_OUT.format(left_out)}"
    for swing in (swing for swing in comparison.seesaw if swing.leaf in leaves):
        table.add_row(
            swing.leaf,
            swing.task,
            f"{swing.rows:,}",
            f"{swing.unified:.4f}",
            f"{swing.single:.4f}",
            _signed(swing.gain),
            _interval(swing.gain),
            _p(swing.gain),
            "-" if swing.by_rows is None else f"{swing.by_rows.p:.3f}",
            MARK[swing.verdict],
        )
    return table


def _shown_leaves(comparison: Comparison) -> tuple[set[str], int]:
    """The leaves that tables show, all rows among them, and how many they leave out.

    Of many, those with the most rows, and those where AES and another architecture differ most.
    """
    rows: dict[str, int] = {}
    apart: dict[str, float] = {}
    for standing in comparison.standings:
        difference = 0.0 if standing.behind is None else abs(standing.behind.value)
        rows[standing.leaf] = max(standing.rows, rows.get(standing.leaf, 0))
        apart[standing.leaf] = max(difference, apart.get(standing.leaf, 0.0))
    leaves = [leaf for leaf in rows if leaf != ALL]
    if len(leaves) <= 2 * MOST_LEAVES:
        return set(rows), 0
    shown = {*sorted(leaves, key=lambda leaf: -rows[leaf])[:MOST_LEAVES]}
    shown |= {*sorted(leaves, key=lambda leaf: -apart[leaf])[:MOST_LEAVES]}
    return {ALL, *shown}, len(leaves) - len(shown)


def _table(title: str, caption: str) -> Table:
    return Table(title=title, title_justify="left", caption=caption, caption_justify="left")


def _seeds(comparison: Comparison) -> str:
    return f"seed {comparison.seeds[0]}" if len(comparison.seeds) == 1 else f"{len(comparison.seeds)} seeds"


def _auc(standing: Standing | None) -> str:
    return "-" if standing is None else f"{standing.auc.value:.4f}"


def _cell(standing: Standing, best: float) -> str:
    mark = " " if standing.behind is None else MARK[verdict(standing.behind)]
    text = f"{standing.auc.value:.4f}{mark}"
    return f"[bold]{text}[/bold]" if standing.auc.value == best else text


def _interval(value: MeanOfRuns) -> str:
    return "-" if value.low is None else f"{value.low:.4f} to {value.high:.4f}"


def _signed(value: MeanOfRuns | None) -> str:
    return "" if value is None else f"{value.value:+.4f}"


def _p(value: MeanOfRuns | None) -> str:
    if value is None:
        return ""
    return "-" if value.p is None else f"{value.p:.3f}"
