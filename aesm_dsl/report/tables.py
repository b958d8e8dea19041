"""Plan and metrics as tables for a terminal (rich)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from aesm_dsl.plan.cost import Cost, PlanCost, cost, loop_pays_from
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.report.baseline import part_table, table_updates_line

if TYPE_CHECKING:
    # Commands that only speak of layers do without the data libraries.
    import polars as pl


def layer_table(plan: Plan) -> Table:
    """One line per level: nodes, experts, widths, K, parameters, FLOPs a row with all and with the chosen experts.

    Of a baseline one line per part.
    """
    if plan.baseline is not None:
        return part_table(plan, plan.baseline)
    found = cost(plan)
    table = Table(
        title=f"{plan.label} ({plan.name})", title_justify="left", caption=_caption(plan), caption_justify="left"
    )
    table.add_column("level")
    for name in (
        "nodes",
        "layers",
        "experts",
        "input",
        "widths",
        "K",
        "parameters",
        "FLOPs dense",
        "FLOPs selected",
        "sparse from",
    ):
        table.add_column(name, justify="right")
    for level in plan.levels:
        _level(table, level.name, len(level.nodes), level.layers, found.levels[level.name])
    _level(table, TASKS, len(plan.tasks.tasks), plan.tasks.layers, found.levels[TASKS], len(plan.tasks.tasks))
    tower = " > ".join(str(width) for width in (*plan.tasks.tower, 1))
    width = str(plan.tasks.layers[-1].output)
    if found.features.parameters:
        table.add_row("features", str(len(plan.features)), *[""] * 5, *_costs(found.features), "")
    table.add_row("towers", str(plan.towers), "", "", width, tower, "", *_costs(found.towers), "")
    table.add_section()
    table.add_row("all", "", "", "", "", "", "", *_costs(found.total), "", style="bold")
    return table


def _level(table: Table, name: str, nodes: int, layers: Sequence[LayerPlan], spent: Cost, gates: int = 1) -> None:
    first = layers[0]
    table.add_row(
        name,
        str(nodes),
        str(len(layers)),
        str(first.experts),
        str(first.input),
        " > ".join(str(width) for width in first.hidden),
        f"{first.specific}+{first.shared}",
        *_costs(spent),
        _way(first, gates),
    )


def _way(layer: LayerPlan, gates: int) -> str:
    """From how many rows of a batch on experts run on the rows that selected them alone, on a CPU."""
    if layer.execution != "auto":
        return layer.execution
    rows = loop_pays_from(layer, gates)
    return "never" if rows is None else f"{rows:,}"


def _costs(spent: Cost) -> tuple[str, str, str]:
    return f"{spent.parameters:,}", f"{spent.dense:,}", f"{spent.selected:,}"


def _caption(plan: Plan) -> str:
    rows = embedding_parameters(plan)
    return (
        f"{len(plan.features)} features make {plan.width} inputs; their tables hold at most {rows:,} more parameters.\n"
        f"{table_updates_line(plan)}\n"
        "K: specific + shared experts a row runs. FLOPs a row; selected is an upper bound.\n"
        "sparse from: rows of a batch from which a CPU runs the selected experts alone."
    )


def cost_data(found: PlanCost) -> dict[str, dict[str, int]]:
    """The costs of every level, the towers and all, as plain values."""
    parts = {"features": found.features, **found.levels, "towers": found.towers, "all": found.total}
    return {
        name: {"parameters": one.parameters, "flops_dense": one.dense, "flops_selected": one.selected}
        for name, one in parts.items()
    }


def metrics_table(metrics: pl.DataFrame, title: str) -> Table:
    """One line per leaf and task: rows, rate of positives, AUC with its 95 % interval, GAUC where there are users, log
    loss, NE, calibration."""
    grouped = bool(metrics["users"].count())
    table = Table(title=title, title_justify="left", caption=_footnote(metrics), caption_justify="left")
    table.add_column("leaf")
    table.add_column("task")
    gauc = ["GAUC"] if grouped else []
    for name in ("rows", "rate", "AUC", "95 %", *gauc, "log loss", "NE", "calibration", "ECE"):
        table.add_column(name, justify="right", style="bold" if name == "AUC" else None)
    for (leaf,), rows in metrics.group_by(["leaf"], maintain_order=True):
        table.add_section()
        for place, row in enumerate(rows.iter_rows(named=True)):
            interval = "-" if row["auc_low"] is None else f"{row['auc_low']:.3f}-{row['auc_high']:.3f}"
            table.add_row(
                "" if place else str(leaf),
                row["task"],
                f"{row['rows']:,}",
                "-" if row["rate"] is None else f"{row['rate']:.1%}",
                _number(row["auc"], 4),
                interval,
                *([_number(row["gauc"], 4)] if grouped else []),
                _number(row["log_loss"], 4),
                _number(row["normalised_entropy"], 3),
                _number(row["calibration"], 3),
                _number(row["calibration_error"], 4),
            )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _footnote(metrics: pl.DataFrame) -> str:
    undefined, off = metrics["auc"].null_count(), metrics["auc_off"].drop_nulls().to_list()
    notes = [
        "NE: log loss over that of always saying the rate. Calibration: positives foretold over positives seen.",
        "ECE: by how much 20 groups of rows, cut by probability, have another rate than was foretold.",
        "GAUC: the AUC within users, each counting its rows." if metrics["users"].count() else "",
        f"Streamed: AUC within {max(off):.1e} of that of the rows." if off else "",
        f"- : AUC is undefined with one class only ({undefined} of {len(metrics)})." if undefined else "",
    ]
    return "\n".join(note for note in notes if note)
