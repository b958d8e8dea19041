"""A baseline's plan as a table and in a sentence: its parts, and its size compared with the AES model."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.bottom import BottomPlan
from aesm_dsl.plan.cost import Cost, cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import embedding_parameters, embedding_tables

FEATURES, BOTTOM, TOWERS, ALL_PARTS = "(features)", "(bottom)", "(towers)", "(all)"
"""Lines beside those of the levels: no level can have such a name."""


def part_table(plan: Plan, baseline: BaselinePlan) -> Table:
    """Returns a line for each part of a baseline, with parameters and FLOPs per row, and a line for the AES model."""
    costs = cost(plan)
    table = Table(
        title=f"{plan.label} ({plan.name}), {baseline.architecture}",
        title_justify="left",
        caption=_caption(plan, baseline),
        caption_justify="left",
    )
    table.add_column("part")
    for name in ("input", "widths", "parameters", "FLOPs per row"):
        table.add_column(name, justify="right")
    for name, part in costs.levels.items():
        inputs = _input_width(plan, baseline, name)
        widths = (str(inputs), _widths(baseline.hidden)) if inputs else ("", "")
        table.add_row(name, *widths, *_cost_cells(part))
    if costs.features.parameters:
        table.add_row(FEATURES, "", "", *_cost_cells(costs.features))
    if plan.bottom is not None:
        table.add_row(BOTTOM, str(plan.features_width), bottom_words(plan.bottom), *_cost_cells(costs.bottom))
    table.add_row(TOWERS, str(baseline.output), _widths((*plan.tasks.tower, 1)), *_cost_cells(costs.towers))
    table.add_section()
    table.add_row(ALL_PARTS, "", "", *_cost_cells(costs.total), style="bold")
    table.add_row("AES", "", "", f"{baseline.aes_parameters:,}", f"{baseline.aes_flops:,}")
    return table


def bottom_words(bottom: BottomPlan) -> str:
    """Returns the parts of a bottom, from below, in words."""
    interactions = {"dcn_v2": f"{bottom.layers} cross layers", "fm": "products of pairs"}
    parts = [f"gate {bottom.gate}"] if bottom.gate else []
    return ", ".join([*parts, *(words for name, words in interactions.items() if name == bottom.interaction)])


def size_line(plan: Plan, baseline: BaselinePlan) -> str:
    """Says in a sentence how large the baseline is compared with the AES model of the same spec."""
    total = cost(plan).total
    return (
        f"{baseline.architecture}: {_compared(total.parameters, 'parameters', baseline.aes_parameters)} and "
        f"{_compared(total.selected, 'FLOPs per row', baseline.aes_flops)}, embedding tables aside"
    )


def table_updates_line(plan: Plan) -> str:
    """Says in a sentence which rows of the embedding tables a training step updates."""
    tables = embedding_tables(plan)
    sparse = [f"`{table.vectors}`" if table.vectors else f"width {table.width}" for table in tables if table.sparse]
    frozen = [f"`{table.vectors}`" for table in tables if table.frozen]
    unchanged = f" It leaves the vectors of {', '.join(frozen)} as they are." if frozen else ""
    if not sparse:
        return f"A step moves all rows of the tables.{unchanged}"
    sparse_tables = "the tables" if len(sparse) == len(tables) else f"the tables of {', '.join(sparse)}"
    if_large = " if they become that large" if plan.training.sparse_from else ""
    return f"Of {sparse_tables} a step moves only the rows that its batch looks up{if_large}.{unchanged}"


def size_data(plan: Plan, baseline: BaselinePlan) -> dict[str, Any]:
    """Returns the same sizes as plain values."""
    total = cost(plan).total
    return {
        "architecture": baseline.architecture,
        "match": baseline.match,
        "parameters": total.parameters,
        "flops": total.selected,
        "aes_parameters": baseline.aes_parameters,
        "aes_flops": baseline.aes_flops,
    }


def _input_width(plan: Plan, baseline: BaselinePlan, part: str) -> int | None:
    """The input width of the layers `hidden`, if it is them that this part of the baseline has."""
    match part:
        case "bottom" | "bottoms" | "layer 1" | "scenario experts":
            inputs = baseline.input_width(plan.width)
            return inputs + (baseline.embed if baseline.architecture == "esmm" else 0)
        case "experts":
            return baseline.hidden[0] if baseline.architecture == "m3oe" else baseline.input_width(plan.width)
        case "task experts":
            return baseline.extracted_parts * baseline.output
        case _:
            return baseline.output if part.startswith("layer ") else None


def _compared(size: int, unit: str, aes_size: int) -> str:
    return f"{size:,} {unit} (AES {aes_size:,}: {size / aes_size - 1:+.1%})"


def _cost_cells(part: Cost) -> tuple[str, str]:
    return f"{part.parameters:,}", f"{part.selected:,}"


def _widths(widths: tuple[int, ...]) -> str:
    return " > ".join(str(width) for width in widths)


def _caption(plan: Plan, baseline: BaselinePlan) -> str:
    tables = embedding_parameters(plan)
    table_size = f"their tables hold at most {tables:,} more parameters"
    if baseline.architecture == "single":
        table_size = f"each leaf has its own tables of at most {tables:,} more parameters"
    return (
        f"{len(plan.features)} features make {plan.width} inputs; {table_size}.\n"
        f"{table_updates_line(plan)}\n"
        f"{_count(baseline.leaves, 'leaf', 'leaves')}, {_count(len(plan.tasks.tasks), 'task', 'tasks')}.\n"
        f"{size_line(plan, baseline)}."
        f"{training_line(plan)}"
    )


def training_line(plan: Plan) -> str:
    """The features that are known in training only, on a line of their own; empty if there are none."""
    names = ", ".join(f"`{feature.name}`" for feature in plan.training_features)
    return f"\nKnown in training only, and not counted here: {names}." if names else ""


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"
