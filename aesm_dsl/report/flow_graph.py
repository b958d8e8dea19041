"""The flow of rows as DOT: from the nodes of the first level through experts and the next levels down to the tasks.

Boxes stand in rows from top to bottom, each as wide as its share of all rows; so are the bands between them.
Axes: N nodes, E experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.plan.plan import TASKS, Plan
from aesm_dsl.report.axis_order import expert_order, node_order
from aesm_dsl.report.dot import (
    COLOURS,
    INK,
    MUTED,
    TINTS,
    WIDE_SPACE,
    Area,
    box,
    document,
    edge,
    lines,
    span,
    text_block,
)
from aesm_dsl.report.plan_labels import layer_title, model_title, node_labels
from aesm_dsl.report.text_width import shortened, width_ems
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import sharing

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.usage import Usage

LEAST_ROOM, ROOM_PER_BOX, MOST_ROOM = 760.0, 64.0, 1500.0
"""Width of the rows: at least the first, more if many boxes stand side by side, and at most the last."""
BOX_HEIGHT, BAND_HEIGHT, BOX_GAP = 34.0, 92.0, 5.0
LEAST_OWN_BOX = 0.01
"""Experts with less than this share of all mixtures are folded into one box."""
LEAST_DRAWN_SHARE = 0.003
"""Bands that carry a smaller share of all rows are not drawn."""
LEFT = 150.0
"""Room for the titles of the rows."""
LINE_WIDTH = 5.0
"""The approximate width of one line of a band."""
BAND_COLOURS = {"specific": "#a6cde8", "group": "#9fdcc8", "shared": "#f2bd97", "rare": "#d5dade", "dead": "#d5dade"}
"""Colour of a band by the role of its expert."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoxRow:
    """Boxes side by side: the nodes of a level, or the experts of a layer."""

    name: str
    title: str
    labels: tuple[str, ...]
    share: Floats
    """Share of all rows of each box."""
    kinds: tuple[str, ...]
    """Role of each expert, "rare" for the folded ones, and "" for nodes."""
    order: tuple[int, ...]
    """The boxes from left to right."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where the boxes of a row stand."""

    top: float
    left: dict[int, float]
    """Left edge of each box."""
    width: dict[int, float]


@dataclass(frozen=True, slots=True)
class _BandEnd:
    """Where a band begins or ends, at the edge of a box."""

    left: float
    width: float
    y: float


def flow_graph(plan: Plan, usage: Usage) -> str:
    """Draws in DOT where rows go: node -> experts of the level's last layer -> nodes of the next level -> ... -> tasks.

    What goes from an expert to the next level's nodes, and to the experts of the tasks, was counted row by row
    (`Usage.flows`). Experts with less than LEAST_OWN_BOX of all mixtures share one box, and bands thinner than
    LEAST_DRAWN_SHARE are left out.
    """
    rows, bands = _rows(plan, usage)
    title = model_title(plan)
    head = span(shortened(title, 40, bold=True), 18, bold=True) + WIDE_SPACE + span("where rows go", 18, MUTED)
    how = "Boxes and bands are as wide as their part of all rows. Experts are those of each level's last layer."
    statements = [
        text_block("title", Area(0, 0, 600, 26), head),
        text_block("how to read", Area(0, 30, 600, 14), span(how, 10, MUTED)),
    ]
    room = min(MOST_ROOM, max(LEAST_ROOM, ROOM_PER_BOX * max(len(row.order) for row in rows)))
    placed = []
    for number, row in enumerate(rows):
        top = 64 + number * (BOX_HEIGHT + BAND_HEIGHT)
        boxes, positions = _boxes(row, top, room)
        placed.append(positions)
        label = span(shortened(row.title, 22), 10.5, MUTED)
        statements += [*boxes, text_block(f"{row.name} title", Area(0, top, LEFT - 20, BOX_HEIGHT), label)]
    for above, band in enumerate(bands):
        statements += _bands(rows[above], rows[above + 1], placed[above], placed[above + 1], band)
    return document(title, statements)


def _rows(plan: Plan, usage: Usage) -> tuple[list[BoxRow], list[Floats]]:
    """The rows of boxes; and between each two of them the share of all rows that goes from each box to each box."""
    rows: list[BoxRow] = []
    bands: list[Floats] = []
    arriving = {flow.below: np.asarray(flow.share, dtype=np.float64) for flow in usage.flows}
    fold: Floats | None = None
    for level in plan.levels:
        layer = usage.level(level.name)[-1]
        nodes, weight_NE = _node_row(plan, layer), np.asarray(layer.weight_NE, dtype=np.float64)
        if fold is not None:
            bands.append(fold.T @ arriving.get(level.name, np.zeros((len(fold), len(nodes.share)))))
        experts, fold = _expert_row(f"{level.name} experts", layer, nodes.share @ weight_NE, list(nodes.order))
        rows += [nodes, experts]
        bands.append(nodes.share[:, None] * weight_NE @ fold)
    task_layers = [layer for layer in usage if layer.level == TASKS]
    if task_layers:
        tasks, layer = _node_row(plan, task_layers[-1]), task_layers[-1]
        weight_NE = np.asarray(layer.weight_NE, dtype=np.float64)
        experts, task_fold = _expert_row("tasks experts", layer, tasks.share @ weight_NE, list(tasks.order))
        if fold is not None:
            bands.append(fold.T @ arriving.get(TASKS, np.zeros((len(fold), len(task_fold)))) @ task_fold)
        rows += [experts, tasks]
        bands.append((tasks.share[:, None] * weight_NE @ task_fold).T)
    return rows, bands


def _node_row(plan: Plan, layer: LayerUsage) -> BoxRow:
    rows_N = np.asarray(layer.rows_N, dtype=np.float64)
    share_N = rows_N / max(rows_N.sum(), 1.0)
    order = tuple(node_order(sharing(layer).matrix.matrix))
    title = layer_title(plan, layer, 1)
    return BoxRow(layer.level, title, node_labels(plan, layer), share_N, ("",) * len(share_N), order)


def _expert_row(name: str, layer: LayerUsage, share_E: Floats, nodes: list[int]) -> tuple[BoxRow, Floats]:
    """The boxes of a layer's experts, with one for all rare experts; and the box of each expert, one-hot (E, boxes)."""
    layer_sharing = sharing(layer)
    order = expert_order(layer_sharing, np.asarray(layer.weight_NE, dtype=np.float64), nodes)
    single = [expert for expert in order if share_E[expert] >= LEAST_OWN_BOX]
    rare = [expert for expert in order if share_E[expert] < LEAST_OWN_BOX]
    boxes = [[expert] for expert in single] + ([rare] if rare else [])
    fold = np.zeros((len(share_E), len(boxes)))
    for number, experts in enumerate(boxes):
        fold[experts, number] = 1.0
    labels = tuple([f"e{expert}" for expert in single] + ([f"{len(rare)} rare"] if rare else []))
    kinds = tuple([layer_sharing.roles[expert].kind for expert in single] + (["rare"] if rare else []))
    return BoxRow(name, "experts", labels, share_E @ fold, kinds, tuple(range(len(boxes)))), fold


def _boxes(row: BoxRow, top: float, room: float) -> tuple[list[str], _Placed]:
    """The boxes of a row as DOT, and where they stand."""
    statements, x = [], LEFT
    placed = _Placed(top, {}, {})
    gaps = BOX_GAP * (len(row.order) - 1)
    for number in row.order:
        kind, label, share = row.kinds[number], row.labels[number], float(row.share[number])
        width = max(2.0, share * (room - gaps))
        text = ""
        if width > 22:
            size = 10.5 if width_ems(label, bold=True) * 10.5 < width - 4 else 8.5
            text = lines(
                span(shortened(label, (width - 4) / size, bold=True), size, INK, bold=True),
                span(f"{share:.0%}", 8.5, INK),
            )
        look = {
            "fillcolor": TINTS[kind] if kind else "white",
            "color": COLOURS[kind] if kind else "#7b8794",
            "penwidth": 1.2,
            "tooltip": f"{label}: {share:.1%} of rows",
            "style": "filled",
        }
        centre = (x + width / 2, top + BOX_HEIGHT / 2)
        statements.append(box(f"{row.name}#{number}", centre, width, BOX_HEIGHT, text, **look))
        placed.left[number], placed.width[number] = x, width
        x += width + BOX_GAP
    return statements, placed


def _bands(above: BoxRow, below: BoxRow, start: _Placed, end: _Placed, share: Floats) -> list[str]:
    """Bands between two rows of boxes, thin ones on top; at a box side by side, ordered by their other end."""
    start_x, end_x = dict(start.left), dict(end.left)
    drawn: list[tuple[float, list[str]]] = []
    for upper in above.order:
        for lower in below.order:
            part = float(share[upper, lower])
            if part <= 0:
                continue
            # Divided by the sum of the bands if that is more: rows of unknown nodes are in no box, but run experts.
            leaves = part / max(float(above.share[upper]), float(share[upper].sum())) * start.width[upper]
            arrives = part / max(float(below.share[lower]), float(share[:, lower].sum())) * end.width[lower]
            top = _BandEnd(start_x[upper], leaves, start.top + BOX_HEIGHT)
            bottom = _BandEnd(end_x[lower], arrives, end.top)
            start_x[upper] += leaves
            end_x[lower] += arrives
            if part >= LEAST_DRAWN_SHARE:
                look = {
                    "colour": BAND_COLOURS[above.kinds[upper] or below.kinds[lower]],
                    "tooltip": f"{above.labels[upper]} to {below.labels[lower]}: {part:.1%} of rows",
                }
                drawn.append((part, _band(f"{above.name}#{upper}", f"{below.name}#{lower}", top, bottom, **look)))
    return [statement for _, statements in sorted(drawn, key=lambda band: -band[0]) for statement in statements]


def _band(tail: str, head: str, top: _BandEnd, bottom: _BandEnd, *, colour: str, tooltip: str) -> list[str]:
    """A band as lines side by side between two white ones: a single line of that width has spikes where it bends."""
    middle = (top.y + bottom.y) / 2
    count = max(1, round(max(top.width, bottom.width) / LINE_WIDTH))

    def line(part: float, colour: str, pen: float) -> str:
        start, end = top.left + top.width * part, bottom.left + bottom.width * part
        path = ((start, top.y), (start, middle), (end, middle), (end, bottom.y))
        return edge(tail, head, path, tooltip=tooltip, color=colour, penwidth=pen)

    pen = max(0.7, (top.width + bottom.width) / 2 / count + 0.5 * (count > 1))
    statements = [line((number + 0.5) / count, colour, pen) for number in range(count)]
    if min(top.width, bottom.width) > 2:
        statements += [line(side, "#ffffff", 0.8) for side in (0, 1)]
    return statements
