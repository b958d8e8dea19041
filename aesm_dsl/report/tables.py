"""Plans as tables for a terminal (rich)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from aesm_dsl.plan.cost import Cost, PlanCost, cost, loop_pays_from
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.report.baseline import (
    ALL_PARTS,
    BOTTOM,
    FEATURES,
    TOWERS,
    bottom_words,
    part_table,
    table_updates_line,
    training_line,
)


def layer_table(plan: Plan) -> Table:
    """Returns a line for each level: nodes, experts, widths, K, parameters, FLOPs per row (all and selected experts).

    For a baseline, returns a line for each of its parts.
    """
    if plan.baseline is not None:
        return part_table(plan, plan.baseline)
    costs = cost(plan)
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
        _add_level(table, (level.name, len(level.nodes)), level.layers, costs.levels[level.name])
    tasks = len(plan.tasks.tasks)
    _add_level(table, (TASKS, tasks), plan.tasks.layers, costs.levels[TASKS], gates=tasks)
    tower = " > ".join(str(width) for width in (*plan.tasks.tower, 1))
    width = str(plan.tasks.layers[-1].output)
    if costs.features.parameters:
        table.add_row(FEATURES, str(len(plan.features)), *[""] * 5, *_cost_cells(costs.features), "")
    if plan.bottom is not None:
        table.add_row(
            BOTTOM, "", "", "", str(plan.features_width), bottom_words(plan.bottom), "", *_cost_cells(costs.bottom), ""
        )
    table.add_row(TOWERS, str(plan.towers), "", "", width, tower, "", *_cost_cells(costs.towers), "")
    table.add_section()
    table.add_row(ALL_PARTS, "", "", "", "", "", "", *_cost_cells(costs.total), "", style="bold")
    return table


def _add_level(
    table: Table, level: tuple[str, int], layers: Sequence[LayerPlan], level_cost: Cost, *, gates: int = 1
) -> None:
    """Adds the line of a level, given as its name and the number of its nodes."""
    first = layers[0]
    table.add_row(
        level[0],
        str(level[1]),
        str(len(layers)),
        str(first.experts),
        str(first.input),
        " > ".join(str(width) for width in first.hidden),
        f"{first.specific}+{first.shared}",
        *_cost_cells(level_cost),
        _sparse_from(first, gates),
    )


def _sparse_from(layer: LayerPlan, gates: int) -> str:
    """The least rows of a batch with which a CPU runs each expert only on the rows that selected it."""
    if layer.execution != "auto":
        return layer.execution
    rows = loop_pays_from(layer, gates)
    return "never" if rows is None else f"{rows:,}"


def _cost_cells(part: Cost) -> tuple[str, str, str]:
    return f"{part.parameters:,}", f"{part.dense:,}", f"{part.selected:,}"


def _caption(plan: Plan) -> str:
    rows = embedding_parameters(plan)
    return (
        f"{len(plan.features)} features make {plan.width} inputs; their tables hold at most {rows:,} more parameters.\n"
        f"{table_updates_line(plan)}\n"
        "K: specific + shared experts that a row runs. FLOPs are per row; selected is an upper bound.\n"
        "sparse from: with at least so many rows in a batch, a CPU runs only the selected experts."
        f"{training_line(plan)}"
    )


def cost_data(costs: PlanCost) -> dict[str, dict[str, int]]:
    """Returns the costs of the features, the bottom if there is one, every level, the towers and all together."""
    bottom = {BOTTOM: costs.bottom} if costs.bottom.parameters else {}
    parts = {FEATURES: costs.features, **bottom, **costs.levels, TOWERS: costs.towers, ALL_PARTS: costs.total}
    return {
        name: {"parameters": part.parameters, "flops_dense": part.dense, "flops_selected": part.selected}
        for name, part in parts.items()
    }
