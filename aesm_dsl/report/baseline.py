"""A baseline's plan as a table and in a sentence: its parts, and how large it is beside the AES model."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.cost import Cost, cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import embedding_parameters, embedding_tables


def part_table(plan: Plan, baseline: BaselinePlan) -> Table:
    """One line per part of a baseline, with parameters and FLOPs a row, and what the AES model has."""
    found = cost(plan)
    table = Table(
        title=f"{plan.label} ({plan.name}), {baseline.architecture}",
        title_justify="left",
        caption=_caption(plan, baseline),
        caption_justify="left",
    )
    table.add_column("part")
    for name in ("input", "widths", "parameters", "FLOPs a row"):
        table.add_column(name, justify="right")
    first = next(name for name in found.levels if name in ("bottom", "bottoms", "experts", "layer 1"))
    for name, part in found.levels.items():
        width, hidden = ("", "")
        if name == first:
            given = plan.width + (baseline.embed if baseline.architecture == "esmm" else 0)
            width, hidden = str(given), _widths(baseline.hidden)
        elif name.startswith("layer "):
            width, hidden = str(baseline.output), _widths(baseline.hidden)
        table.add_row(name, width, hidden, *_costs(part))
    if found.features.parameters:
        table.add_row("features", "", "", *_costs(found.features))
    table.add_row("towers", str(baseline.output), _widths((*plan.tasks.tower, 1)), *_costs(found.towers))
    table.add_section()
    table.add_row("all", "", "", *_costs(found.total), style="bold")
    table.add_row("AES", "", "", f"{baseline.aes_parameters:,}", f"{baseline.aes_flops:,}")
    return table


def size_line(plan: Plan, baseline: BaselinePlan) -> str:
    """How large the baseline is, beside the AES model of the same spec."""
    total = cost(plan).total
    return (
        f"{baseline.architecture}: {_beside(total.parameters, 'parameters', baseline.aes_parameters)} and "
        f"{_beside(total.selected, 'FLOPs a row', baseline.aes_flops)}, embedding tables aside"
    )


def table_updates_line(plan: Plan) -> str:
    """Which rows of the embedding tables a step of training moves."""
    tables = embedding_tables(plan)
    sparse = [f"`{table.vectors}`" if table.vectors else f"width {table.width}" for table in tables if table.sparse]
    frozen = [f"`{table.vectors}`" for table in tables if table.frozen]
    kept = f" It leaves the vectors of {', '.join(frozen)} as they are." if frozen else ""
    if not sparse:
        return f"A step moves all rows of the tables.{kept}"
    those = "the tables" if len(sparse) == len(tables) else f"the tables of {', '.join(sparse)}"
    if_large = " if they become that large" if plan.training.sparse_from else ""
    return f"Of {those} a step moves only the rows that its batch looks up{if_large}.{kept}"


def size_data(plan: Plan, baseline: BaselinePlan) -> dict[str, Any]:
    """The same as plain values."""
    total = cost(plan).total
    return {
        "architecture": baseline.architecture,
        "match": baseline.match,
        "parameters": total.parameters,
        "flops": total.selected,
        "aes_parameters": baseline.aes_parameters,
        "aes_flops": baseline.aes_flops,
    }


def _beside(own: int, unit: str, other: int) -> str:
    return f"{own:,} {unit} (AES {other:,}: {own / other - 1:+.1%})"


def _costs(spent: Cost) -> tuple[str, str]:
    return f"{spent.parameters:,}", f"{spent.selected:,}"


def _widths(widths: tuple[int, ...]) -> str:
    return " > ".join(str(width) for width in widths)


def _caption(plan: Plan, baseline: BaselinePlan) -> str:
    tables = embedding_parameters(plan)
    held = f"their tables hold at most {tables:,} more parameters"
    if baseline.architecture == "single":
        held = f"each leaf has its own tables of at most {tables:,} more parameters"
    return (
        f"{len(plan.features)} features make {plan.width} inputs; {held}.\n"
        f"{table_updates_line(plan)}\n"
        f"{_count(baseline.leaves, 'leaf', 'leaves')}, {_count(len(plan.tasks.tasks), 'task', 'tasks')}.\n"
        f"{size_line(plan, baseline)}."
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
