"""Heat maps as DOT: how much each node mixes of each expert, and how much nodes share; at the end, or epoch by epoch.

Axes: N nodes, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.axis_order import expert_order, node_order
from aesm_dsl.report.dot import (
    COLOURS,
    FAINT,
    INK,
    MUTED,
    SPACE,
    WIDE_SPACE,
    Area,
    Point,
    box,
    document,
    span,
    text_block,
)
from aesm_dsl.report.plan_labels import UsageUnit, layer_title, model_title, node_labels
from aesm_dsl.report.text_width import shortened, width_ems
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing, mean_matrix, sharing

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.usage import Usage

LABEL_SIZE, LABEL_EMS = 10.5, 16.0
ROW, WIDEST, NARROWEST = 20.0, 34.0, 12.0
"""Height of a cell, and its greatest and least width."""
ROOM = 900.0
"""The most width of all cells of one map together."""
HEAD_HEIGHT = 14.0
"""Height of the experts' names above the cells."""
LEAST_NUMBERED = 0.05
"""Cells of at least this weight show their number."""
LEAST_SHADED = 0.005
"""Cells of less weight are empty."""
MAP_GAP, PART_GAP = 34.0, 44.0
NUMBERS, SHADES = "numbers are per cent of its mixture", "the darker, the more of its mixture"
"""What the cells of a map mean."""
KINDS = {"shared": "shared by all", "group": "of a group", "specific": "specific to one {}", "dead": "dead"}
MOST_EPOCHS = 12
"""Epochs shown at most: the first, the last, and others evenly between."""

SHARING_COLOUR = "#5b3a8c"
"""Colour of the sharing matrix."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of one map stand."""

    name: str
    labels: Sequence[str]
    """Labels of the nodes, by their index; an empty one is not written."""
    nodes: Sequence[int]
    """The nodes from top to bottom."""
    left: float
    """Left edge of the cells; labels stand before it."""
    top: float
    cell_width: float

    def centre(self, row: int, column: int) -> Point:
        return self.left + (column + 0.5) * self.cell_width, self.top + HEAD_HEIGHT + (row + 0.5) * ROW


def heat_map(plan: Plan, usage: Usage, layers: str = "best", by: str | None = None) -> str:
    """Draws in DOT the weights of nodes and experts, and beside them the sharing matrix.

    Nodes that share much stand together; experts stand by role. If a level has several layers, the mean of their
    sharing matrices stands to the right.

    Args:
        plan: the plan that the usage is of.
        usage: what to draw.
        layers: which layers, as `Usage.shown` takes it.
        by: the level or feature that the usage was counted by; None for the nodes of every level.
    """
    statements, top, width = [], 64.0, 400.0
    for layer in usage.shown(layers):
        layer_sharing = sharing(layer)
        nodes, experts = _orders(layer, layer_sharing)
        labels = node_labels(plan, layer)
        stack = usage.level(layer.level)
        name = f"{layer.level}.{layer.layer}"
        left = _label_width(labels)
        statements += _title(f"{name} title", layer_title(plan, layer, len(stack)), "weight of the experts", left, top)
        grid = _Grid(name, labels, nodes, left, top + 22, _cell_width(ROOM, len(experts)))
        cells, right = _weights(grid, layer, layer_sharing, experts)
        statements += cells
        matrices = [("sharing", layer_sharing.matrix.matrix)]
        if len(stack) > 1:
            matrices.append((f"mean sharing of {len(stack)} layers", mean_matrix(stack).matrix))
        for about, matrix in matrices:
            left = right + PART_GAP
            statements += _title(f"{name} {about}", "", about, left, top)
            grid = _Grid(f"{name} {about}", labels, nodes, left, top + 22, _cell_width(ROOM / 2, len(nodes)))
            cells, right = _matrix(grid, matrix)
            statements += cells
        width = max(width, right)
        top += 22 + HEAD_HEIGHT + ROW * len(nodes) + MAP_GAP
    head = _head(plan, "weights and sharing", NUMBERS, width, UsageUnit.counted_by(plan, by))
    return document(model_title(plan), [*head, *statements])


def training_map(plan: Plan, epochs: Sequence[tuple[int, Usage]], layers: str = "best") -> str:
    """Draws in DOT how the weights of the experts formed: a heat map for each epoch, in the order of the last one.

    Args:
        plan: the plan that was trained.
        epochs: numbers of epochs, and the usage at the end of each.
        layers: which layers, as `Usage.shown` takes it for the last epoch.
    """
    chosen = sorted({round(index) for index in np.linspace(0, len(epochs) - 1, min(MOST_EPOCHS, len(epochs)))})
    statements, top, width = [], 64.0, 400.0
    for layer in epochs[-1][1].shown(layers) if epochs else ():
        nodes, experts = _orders(layer, sharing(layer))
        labels = node_labels(plan, layer)
        left = _label_width(labels)
        depth = len(epochs[-1][1].level(layer.level))
        title = layer_title(plan, layer, depth)
        statements += _title(f"{layer.level}.{layer.layer}", title, "epoch by epoch", left, top)
        right = left
        for index in chosen:
            number, usage = epochs[index]
            then = usage.level(layer.level)[layer.layer]
            first = index == chosen[0]
            grid = _Grid(
                f"{layer.level}.{layer.layer} epoch {number}",
                labels if first else ("",) * len(labels),
                nodes,
                left if first else right + 18,
                top + 22,
                9.0,
            )
            cells, right = _weights(grid, then, sharing(then), experts, small=True)
            caption = Area(grid.left, grid.top, 60, 12)
            statements += [*cells, text_block(f"{grid.name} caption", caption, span(f"epoch {number}", 9.5, MUTED))]
        width = max(width, right)
        top += 22 + HEAD_HEIGHT + ROW * len(nodes) + MAP_GAP
    head = _head(plan, "how the experts' roles formed", SHADES, width, UsageUnit())
    return document(model_title(plan), [*head, *statements])


def _orders(layer: LayerUsage, layer_sharing: Sharing) -> tuple[list[int], list[int]]:
    """The order of the nodes and of the experts."""
    nodes = node_order(layer_sharing.matrix.matrix)
    return nodes, expert_order(layer_sharing, np.asarray(layer.weight_NE, dtype=np.float64), nodes)


def _cell_width(room: float, columns: int) -> float:
    return min(WIDEST, max(NARROWEST, room / max(columns, 1)))


def _weights(
    grid: _Grid, layer: LayerUsage, layer_sharing: Sharing, experts: Sequence[int], *, small: bool = False
) -> tuple[list[str], float]:
    """Cells of nodes and experts in the colour of the expert's role, and their right edge; small ones have no text."""
    weight_NE = np.asarray(layer.weight_NE, dtype=np.float64)
    statements, most = _row_labels(grid), float(weight_NE.max(initial=0.0))
    width = grid.cell_width
    for column, expert in enumerate(experts):
        kind = layer_sharing.roles[expert].kind
        if not small:
            x, _ = grid.centre(0, column)
            text = span(f"e{expert}" if width > 20 else str(expert), 8.5, COLOURS[kind])
            centre = (x, grid.top + 6)
            statements.append(box(f"{grid.name}#e{expert}", centre, width, 12, text, shape="plain", style="solid"))
        for row, node in enumerate(grid.nodes):
            value = float(weight_NE[node, expert])
            statements.append(
                _cell(
                    f"{grid.name}#{node}.{expert}",
                    grid.centre(row, column),
                    width,
                    value,
                    most=most,
                    colour=COLOURS[kind],
                    tooltip=f"{layer_sharing.matrix.nodes[node]}: {value:.1%} from e{expert} ({kind})",
                    numbered=not small and value >= LEAST_NUMBERED and width >= 24,
                )
            )
    return statements, grid.left + width * len(experts)


def _matrix(grid: _Grid, matrix_NN: NDArray[np.float64]) -> tuple[list[str], float]:
    """Cells of the sharing matrix, and their right edge."""
    width, statements = grid.cell_width, []
    for row, node in enumerate(grid.nodes):
        for column, other in enumerate(grid.nodes):
            value = float(matrix_NN[node, other])
            statements.append(
                _cell(
                    f"{grid.name}#{node}.{other}",
                    grid.centre(row, column),
                    width,
                    value,
                    most=1.0,
                    colour=SHARING_COLOUR,
                    tooltip=f"{grid.labels[node]} and {grid.labels[other]} share {value:.2f}",
                    numbered=value >= LEAST_NUMBERED and width >= 24,
                )
            )
    return statements, grid.left + width * len(grid.nodes)


def _cell(
    name: str, centre: Point, width: float, value: float, *, most: float, colour: str, tooltip: str, numbered: bool
) -> str:
    """A cell, the darker the larger its value compared with the map's largest, `most`; empty if the value is small."""
    part = min(1.0, value / most) if most else 0.0
    opacity = 0 if value < LEAST_SHADED else round(255 * (0.08 + 0.92 * part))
    text = span(f"{100 * value:.0f}", 8.5, "#ffffff" if part > 0.6 else INK) if numbered else ""
    look = {"style": "filled", "fillcolor": f"{colour}{opacity:02x}", "color": "#ffffff", "penwidth": 1.0}
    return box(name, centre, width, ROW, text, tooltip=tooltip, **look)


def _row_labels(grid: _Grid) -> list[str]:
    width, top = _label_width(grid.labels), grid.top + HEAD_HEIGHT
    return [
        text_block(
            f"{grid.name} row {node}",
            Area(grid.left - width, top + row * ROW, width - 8, ROW),
            span(shortened(grid.labels[node], LABEL_EMS), LABEL_SIZE, INK),
        )
        for row, node in enumerate(grid.nodes)
        if grid.labels[node]
    ]


def _label_width(labels: Iterable[str]) -> float:
    return max([60.0, *(width_ems(shortened(text, LABEL_EMS)) * LABEL_SIZE for text in labels)]) + 14


def _title(name: str, title: str, about: str, left: float, top: float) -> list[str]:
    """The words above a map; a title begins at the left edge of the picture, words without one at `left`."""
    text = (span(shortened(title, 40, bold=True), 13, bold=True) + SPACE if title else "") + span(about, 10.5, MUTED)
    width = width_ems(title, bold=True) * 13 + width_ems(about) * 10.5 + 20
    return [text_block(f"{name} head", Area(left if not title else 0, top, width, 18), text)]


def _head(plan: Plan, about: str, cells: str, width: float, unit: UsageUnit) -> list[str]:
    text = span(shortened(model_title(plan), 40, bold=True), 18, bold=True) + WIDE_SPACE + span(about, 18, MUTED)
    how = f"A row for each {unit}, a column for each expert; {cells}. Experts are"
    statements = [text_block("title", Area(0, 0, max(width, 500), 26), text)]
    x = width_ems(how) * 10 + 10
    statements.append(text_block("how to read", Area(0, 30, x, 14), span(how, 10, MUTED)))
    for kind, meaning in ((kind, text.format(unit.noun)) for kind, text in KINDS.items()):
        look = {"style": "filled", "fillcolor": COLOURS[kind], "color": FAINT}
        statements.append(box(f"legend {kind}", (x + 8, 37), 12, 12, "", tooltip=meaning, **look))
        meaning_width = width_ems(meaning) * 10
        area = Area(x + 18, 30, meaning_width, 14)
        statements.append(text_block(f"legend {kind} text", area, span(meaning, 10, MUTED)))
        x += 32 + meaning_width
    return statements
