"""The flow of rows as DOT: from the nodes of the first level through experts and the next levels down to the tasks.

Rows of boxes from top to bottom, each as wide as its part of all rows; the bands between them likewise.
Axes: N nodes, E experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.plan.plan import TASKS, Plan
from aesm_dsl.report.axis_order import by_role, clustered
from aesm_dsl.report.dot import COLOURS, HEAD_GAP, INK, MUTED, TINTS, box, line, lines, page, span, words
from aesm_dsl.report.subject import labels_of, name_of, title_of
from aesm_dsl.report.text_width import shortened, width_ems
from aesm_dsl.training.sharing.sharing_matrix import sharing

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.layer_usage import LayerUsage
    from aesm_dsl.training.sharing.usage import Usage

ROOM, BOX_ROOM, MOST_ROOM = 760.0, 64.0, 1500.0
"""Width of the rows: at least this, more where there are many boxes side by side, and at most that."""
BOX_HEIGHT, DROP, GAP_WIDTH = 34.0, 92.0, 5.0
RARE = 0.01
"""Experts with less than this part of all mixtures are folded into one box."""
FAINTEST = 0.003
"""Bands that carry less of all rows are not drawn."""
LEFT = 150.0
STROKE = 5.0
"""About how wide one line of a band is."""
BANDS = {"specific": "#a6cde8", "group": "#9fdcc8", "shared": "#f2bd97", "rare": "#d5dade", "dead": "#d5dade"}
"""Colour of a band by the role of its expert."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of boxes."""

    name: str
    title: str
    labels: tuple[str, ...]
    share: Floats
    """Part of all rows, of each box."""
    kinds: tuple[str, ...]
    """Roles of experts, "rare" of the fold, and "" of nodes."""
    order: tuple[int, ...]
    """From left to right."""


def flow_graph(plan: Plan, usage: Usage) -> str:
    """DOT of where rows go: node -> experts of the level's last layer -> nodes of the next level -> ... -> tasks.

    What goes from an expert to the next level's nodes, and to the experts of the tasks, was counted row by row
    (`Usage.flows`). Experts of less than RARE of all mixtures are one box, and thinner bands than FAINTEST left out.
    """
    stages, bands = _stages(plan, usage)
    title = name_of(plan)
    head = span(shortened(title, 40, bold=True), 18, bold=True) + HEAD_GAP + span("where rows go", 18, MUTED)
    how = "Boxes and bands are as wide as their part of all rows. Experts are those of each level's last layer."
    statements = [words("title", 0, 0, 600, 26, head), words("how to read", 0, 30, 600, 14, span(how, 10, MUTED))]
    room = min(MOST_ROOM, max(ROOM, BOX_ROOM * max(len(stage.order) for stage in stages)))
    places = []
    for number, stage in enumerate(stages):
        top = 64 + number * (BOX_HEIGHT + DROP)
        part, left, width = _boxes(stage, top, room)
        statements += part
        places.append((top, left, width))
        statements.append(
            words(f"{stage.name} title", 0, top, LEFT - 20, BOX_HEIGHT, span(shortened(stage.title, 22), 10.5, MUTED))
        )
    drawn = []
    for above, band in enumerate(bands):
        drawn += _bands(stages[above], stages[above + 1], places[above], places[above + 1], band)
    return page(title, statements + drawn)


def _stages(plan: Plan, usage: Usage) -> tuple[list[Stage], list[Floats]]:
    """The rows of boxes, and between each two the part of all rows that goes from a box to a box."""
    stages: list[Stage] = []
    bands: list[Floats] = []
    arriving = {flow.below: np.asarray(flow.share, dtype=np.float64) for flow in usage.flows}
    fold: Floats | None = None
    for level in plan.levels:
        layer = usage.level(level.name)[-1]
        nodes, weight_NE = _nodes(plan, layer), np.asarray(layer.weight_NE, dtype=np.float64)
        if fold is not None:
            bands.append(fold.T @ arriving.get(level.name, np.zeros((len(fold), len(nodes.share)))))
        experts, fold = _experts(f"{level.name} experts", layer, nodes.share @ weight_NE, list(nodes.order))
        stages += [nodes, experts]
        bands.append(nodes.share[:, None] * weight_NE @ fold)
    stack = [one for one in usage if one.level == TASKS]
    if stack:
        tasks, layer = _nodes(plan, stack[-1]), stack[-1]
        weight_NE = np.asarray(layer.weight_NE, dtype=np.float64)
        experts, own = _experts("tasks experts", layer, tasks.share @ weight_NE, list(tasks.order))
        if fold is not None:
            bands.append(fold.T @ arriving.get(TASKS, np.zeros((len(fold), len(own)))) @ own)
        stages += [experts, tasks]
        bands.append((tasks.share[:, None] * weight_NE @ own).T)
    return stages, bands


def _nodes(plan: Plan, layer: LayerUsage) -> Stage:
    rows_N = np.asarray(layer.rows_N, dtype=np.float64)
    share_N = rows_N / max(rows_N.sum(), 1.0)
    order = tuple(clustered(sharing(layer).matrix.matrix))
    title = title_of(plan, layer, 1)
    return Stage(layer.level, title, labels_of(plan, layer), share_N, ("",) * len(share_N), order)


def _experts(name: str, layer: LayerUsage, share_E: Floats, nodes: list[int]) -> tuple[Stage, Floats]:
    """The boxes of a layer's experts, those that are rare in one; and the box of each expert, one-hot (E, boxes)."""
    found = sharing(layer)
    order = by_role(found, np.asarray(layer.weight_NE, dtype=np.float64), nodes)
    own = [expert for expert in order if share_E[expert] >= RARE]
    rare = [expert for expert in order if share_E[expert] < RARE]
    boxes = [[expert] for expert in own] + ([rare] if rare else [])
    fold = np.zeros((len(share_E), len(boxes)))
    for place, experts in enumerate(boxes):
        fold[experts, place] = 1.0
    labels = tuple([f"e{expert}" for expert in own] + ([f"{len(rare)} rare"] if rare else []))
    kinds = tuple([found.roles[expert].kind for expert in own] + (["rare"] if rare else []))
    return Stage(name, "experts", labels, share_E @ fold, kinds, tuple(range(len(boxes)))), fold


def _boxes(stage: Stage, top: float, room: float) -> tuple[list[str], dict[int, float], dict[int, float]]:
    """The boxes as DOT, and of each where it begins and how wide it is."""
    statements, x = [], LEFT
    left, width = {}, {}
    spare = GAP_WIDTH * (len(stage.order) - 1)
    for at in stage.order:
        wide = max(2.0, float(stage.share[at]) * (room - spare))
        kind, label, share = stage.kinds[at], stage.labels[at], float(stage.share[at])
        text = ""
        if wide > 22:
            size = 10.5 if width_ems(label, bold=True) * 10.5 < wide - 4 else 8.5
            text = lines(
                span(shortened(label, (wide - 4) / size, bold=True), size, INK, bold=True),
                span(f"{share:.0%}", 8.5, INK),
            )
        look = {
            "fillcolor": TINTS[kind] if kind else "white",
            "color": COLOURS[kind] if kind else "#7b8794",
            "penwidth": 1.2,
            "tooltip": f"{label}: {share:.1%} of rows",
            "style": "filled",
        }
        statements.append(
            box(f"{stage.name}#{at}", (x + wide / 2, top + BOX_HEIGHT / 2), wide, BOX_HEIGHT, text, **look)
        )
        left[at], width[at] = x, wide
        x += wide + GAP_WIDTH
    return statements, left, width


def _bands(
    above: Stage,
    below: Stage,
    start: tuple[float, dict[int, float], dict[int, float]],
    end: tuple[float, dict[int, float], dict[int, float]],
    band: Floats,
) -> list[str]:
    """Bands between two rows of boxes, thin ones on top; at a box side by side, in the order of where they go."""
    top, from_x, from_width = start
    bottom, to_x, to_width = end
    out, into = dict(from_x), dict(to_x)
    found: list[tuple[float, list[str]]] = []
    for one in above.order:
        for other in below.order:
            share = float(band[one, other])
            if share <= 0:
                continue
            # By the sum of the bands where that is more: rows of unknown nodes are in no box, but run experts.
            wide = share / max(float(above.share[one]), float(band[one].sum())) * from_width[one]
            arrives = share / max(float(below.share[other]), float(band[:, other].sum())) * to_width[other]
            places = (out[one], wide, top + BOX_HEIGHT, into[other], arrives, bottom)
            out[one] += wide
            into[other] += arrives
            if share >= FAINTEST:
                kind = above.kinds[one] or below.kinds[other]
                ends = (f"{above.name}#{one}", f"{below.name}#{other}")
                tooltip = f"{above.labels[one]} to {below.labels[other]}: {share:.1%} of rows"
                found.append((share, _band(*ends, places, BANDS[kind], tooltip)))
    return [statement for _, statements in sorted(found, key=lambda one: -one[0]) for statement in statements]


def _band(
    tail: str, head: str, places: tuple[float, float, float, float, float, float], colour: str, tooltip: str
) -> list[str]:
    """A band as lines side by side, between two white ones: one line as wide would have spikes where it bends."""
    x0, wide, y0, x1, arrives, y1 = places
    middle = (y0 + y1) / 2
    count = max(1, round(max(wide, arrives) / STROKE))
    statements = []
    for at in range(count):
        start, end = x0 + wide * (at + 0.5) / count, x1 + arrives * (at + 0.5) / count
        path = ((start, y0), (start, middle), (end, middle), (end, y1))
        pen = max(0.7, (wide + arrives) / 2 / count + 0.5 * (count > 1))
        statements.append(line(tail, head, path, tooltip=tooltip, color=colour, penwidth=pen))
    if min(wide, arrives) > 2:
        for part in (0, 1):
            start, end = x0 + wide * part, x1 + arrives * part
            path = ((start, y0), (start, middle), (end, middle), (end, y1))
            statements.append(line(tail, head, path, tooltip=tooltip, color="#ffffff", penwidth=0.8))
    return statements
