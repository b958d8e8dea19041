"""Heat maps as DOT: how much each node mixes of each expert, and how much nodes share; at the end, or epoch by epoch.

Axes: N nodes, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.axis_order import by_role, clustered
from aesm_dsl.report.dot import COLOURS, FAINT, GAP, HEAD_GAP, INK, MUTED, box, page, span, words
from aesm_dsl.report.subject import Subject, labels_of, name_of, title_of
from aesm_dsl.report.text_width import shortened, width_ems
from aesm_dsl.training.sharing.sharing_matrix import Sharing, mean_matrix, sharing

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.usage import Usage

LABEL_SIZE, LABEL_EMS = 10.5, 16.0
ROW, WIDEST, NARROWEST = 20.0, 34.0, 12.0
"""Height of a cell, and its most and least width."""
ROOM = 900.0
"""Width that the cells of one map may take together."""
TOLD = 0.05
"""Weights from which a cell says its number."""
FADED = 0.005
"""Weights below which a cell is empty."""
MAP_GAP, PART_GAP = 34.0, 44.0
NUMBERS, SHADES = "numbers are per cent of its mixture", "the darker, the more of its mixture"
"""What the cells of a map mean."""
KINDS = {"shared": "shared by all", "group": "of a group", "specific": "specific to one {}", "dead": "dead"}
EPOCHS = 12
"""Epochs shown at most: the first, the last, and others evenly between."""

SHARES = "#5b3a8c"
"""Colour of the sharing matrix."""


def heat_map(plan: Plan, usage: Usage, layers: str = "best", by: str | None = None) -> str:
    """DOT of the layers of `Usage.shown`: weights of node and expert, and beside them the sharing matrix.

    by  the level or feature that the usage was counted by, if it was

    Nodes that share much stand together; experts stand by role. With several layers in a level the mean of their
    sharing matrices stands behind the others.
    """
    statements, top, width = [], 64.0, 400.0
    for layer in usage.shown(layers):
        found = sharing(layer)
        weight_NE = np.asarray(layer.weight_NE, dtype=np.float64)
        nodes = clustered(found.matrix.matrix)
        experts = by_role(found, weight_NE, nodes)
        labels = labels_of(plan, layer)
        stack = usage.level(layer.level)
        name = f"{layer.level}.{layer.layer}"
        left = _label_width(labels)
        head = _titled(f"{name} title", title_of(plan, layer, len(stack)), "weight of the experts", left, top)
        part, right = _weights(name, labels, weight_NE, found, nodes, experts, left, top + 22)
        statements += [*head, *part]
        matrices = [("sharing", found.matrix.matrix)]
        if len(stack) > 1:
            matrices.append((f"mean sharing of {len(stack)} layers", mean_matrix(stack).matrix))
        for about, matrix in matrices:
            statements += _titled(f"{name} {about}", "", about, right + PART_GAP, top)
            part, right = _matrix(f"{name} {about}", labels, matrix, nodes, right + PART_GAP, top + 22)
            statements += part
        width = max(width, right)
        top += 22 + 14 + ROW * len(nodes) + MAP_GAP
    return page(name_of(plan), [*_head(plan, "weights and sharing", NUMBERS, width, Subject.by(plan, by)), *statements])


def training_map(plan: Plan, epochs: Sequence[tuple[int, Usage]], layers: str = "best") -> str:
    """DOT of how the weights of the experts formed: a heat map for each epoch, in the order of the last one.

    epochs  number of an epoch and the usage at its end; the layers shown are those of the last one
    """
    chosen = sorted({round(at) for at in np.linspace(0, len(epochs) - 1, min(EPOCHS, len(epochs)))})
    statements, top, width = [], 64.0, 400.0
    for layer in epochs[-1][1].shown(layers) if epochs else ():
        found = sharing(layer)
        weight_NE = np.asarray(layer.weight_NE, dtype=np.float64)
        nodes = clustered(found.matrix.matrix)
        experts = by_role(found, weight_NE, nodes)
        labels = labels_of(plan, layer)
        left = _label_width(labels)
        depth = len(epochs[-1][1].level(layer.level))
        statements += _titled(f"{layer.level}.{layer.layer}", title_of(plan, layer, depth), "epoch by epoch", left, top)
        right = left
        for place, at in enumerate(chosen):
            number, usage = epochs[at]
            then = usage.level(layer.level)[layer.layer]
            name = f"{layer.level}.{layer.layer} epoch {number}"
            shown = labels if place == 0 else ("",) * len(labels)
            start = left if place == 0 else right + 18
            cells = np.asarray(then.weight_NE, dtype=np.float64)
            part, right = _weights(name, shown, cells, sharing(then), nodes, experts, start, top + 22, small=True)
            statements += part
            caption = span(f"epoch {number}", 9.5, MUTED)
            statements.append(words(f"{name} caption", start, top + 22, 60, 12, caption))
        width = max(width, right)
        top += 22 + 14 + ROW * len(nodes) + MAP_GAP
    return page(name_of(plan), [*_head(plan, "how the experts' roles formed", SHADES, width, Subject()), *statements])


def _weights(
    name: str,
    labels: Sequence[str],
    weight_NE: NDArray[np.float64],
    found: Sharing,
    nodes: Sequence[int],
    experts: Sequence[int],
    left: float,
    top: float,
    *,
    small: bool = False,
) -> tuple[list[str], float]:
    """Cells of node and expert in the colour of the expert's role, and where they end."""
    wide = 9.0 if small else min(WIDEST, max(NARROWEST, ROOM / max(len(experts), 1)))
    statements, most = _row_labels(name, labels, nodes, left, top + 14), float(weight_NE.max(initial=0.0))
    for column, expert in enumerate(experts):
        x = left + (column + 0.5) * wide
        kind = found.roles[expert].kind
        if not small:
            text = span(f"e{expert}" if wide > 20 else str(expert), 8.5, COLOURS[kind])
            statements.append(box(f"{name}#e{expert}", (x, top + 6), wide, 12, text, shape="plain", style="solid"))
        for row, node in enumerate(nodes):
            value = float(weight_NE[node, expert])
            tooltip = f"{found.matrix.nodes[node]}: {value:.1%} from e{expert} ({kind})"
            told = not small and value >= TOLD and wide >= 24
            y = top + 14 + (row + 0.5) * ROW
            statements.append(_cell(f"{name}#{node}.{expert}", (x, y), wide, value, most, COLOURS[kind], tooltip, told))
    return statements, left + wide * len(experts)


def _matrix(
    name: str, labels: Sequence[str], matrix_NN: NDArray[np.float64], nodes: Sequence[int], left: float, top: float
) -> tuple[list[str], float]:
    wide = min(WIDEST, max(NARROWEST, ROOM / 2 / max(len(nodes), 1)))
    statements = []
    for row, node in enumerate(nodes):
        for column, other in enumerate(nodes):
            value = float(matrix_NN[node, other])
            place = (left + (column + 0.5) * wide, top + 14 + (row + 0.5) * ROW)
            tooltip = f"{labels[node]} and {labels[other]} share {value:.2f}"
            told = wide >= 24 and value >= TOLD
            statements.append(_cell(f"{name}#{node}.{other}", place, wide, value, 1.0, SHARES, tooltip, told))
    return statements, left + wide * len(nodes)


def _cell(
    name: str,
    centre: tuple[float, float],
    wide: float,
    value: float,
    most: float,
    colour: str,
    tooltip: str,
    told: bool,
) -> str:
    """A cell, the darker the larger its value is beside the map's largest, `most`; empty where it is rare."""
    part = min(1.0, value / most) if most else 0.0
    opacity = 0 if value < FADED else round(255 * (0.08 + 0.92 * part))
    text = span(f"{100 * value:.0f}", 8.5, "#ffffff" if part > 0.6 else INK) if told else ""
    look = {"style": "filled", "fillcolor": f"{colour}{opacity:02x}", "color": "#ffffff", "penwidth": 1.0}
    return box(name, centre, wide, ROW, text, tooltip=tooltip, **look)


def _row_labels(name: str, labels: Sequence[str], nodes: Sequence[int], left: float, top: float) -> list[str]:
    wide = _label_width(labels)
    return [
        words(f"{name} row {node}", left - wide, top + row * ROW, wide - 8, ROW, _label(labels[node]))
        for row, node in enumerate(nodes)
        if labels[node]
    ]


def _label(text: str) -> str:
    return span(shortened(text, LABEL_EMS), LABEL_SIZE, INK)


def _label_width(labels: Iterable[str]) -> float:
    return max([60.0, *(width_ems(shortened(text, LABEL_EMS)) * LABEL_SIZE for text in labels)]) + 14


def _titled(name: str, title: str, about: str, left: float, top: float) -> list[str]:
    text = (span(shortened(title, 40, bold=True), 13, bold=True) + GAP if title else "") + span(about, 10.5, MUTED)
    width = width_ems(title, bold=True) * 13 + width_ems(about) * 10.5 + 20
    return [words(f"{name} head", left if not title else 0, top, width, 18, text)]


def _head(plan: Plan, about: str, cells: str, width: float, one: Subject) -> list[str]:
    text = span(shortened(name_of(plan), 40, bold=True), 18, bold=True) + HEAD_GAP + span(about, 18, MUTED)
    how = f"A row for each {one}, a column for each expert; {cells}. Experts are"
    statements = [words("title", 0, 0, max(width, 500), 26, text)]
    x = width_ems(how) * 10 + 10
    statements.append(words("how to read", 0, 30, x, 14, span(how, 10, MUTED)))
    for kind, meaning in ((kind, text.format(one.noun)) for kind, text in KINDS.items()):
        look = {"style": "filled", "fillcolor": COLOURS[kind], "color": FAINT}
        statements.append(box(f"legend {kind}", (x + 8, 37), 12, 12, "", tooltip=meaning, **look))
        wide = width_ems(meaning) * 10
        statements.append(words(f"legend {kind} text", x + 18, 30, wide, 14, span(meaning, 10, MUTED)))
        x += 32 + wide
    return statements
