"""The sharing picture as DOT: a title, how to read it, a legend, and one panel for each layer, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.dot import (
    COLOURS,
    INK,
    MUTED,
    SPACE,
    TINTS,
    WIDE_SPACE,
    Area,
    box,
    document,
    edge,
    span,
    text_block,
)
from aesm_dsl.report.panel import LEAST_DRAWN_WEIGHT, Panel, PanelText, line_style
from aesm_dsl.report.plan_labels import UsageUnit, model_title, node_labels
from aesm_dsl.report.text_width import one_line, shortened, width_ems
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import DEAD

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.usage import Usage

NARROWEST = 800.0
"""The least width of the picture in points; the legend needs it."""

WIDEST_TEXT = 1100.0
"""The most width of a line of the explanation in points: longer lines are tiring to read."""

PANEL_GAP = 16.0

HOW_TO_READ = (
    "How to read: a row of data comes to its {0} (white) and mixes the outputs of a few experts (coloured). "
    "Experts below the {0}s belong to one {0} or to a group of {0}s, experts above are shared by all. "
    "The wider a line, the more of the {0}'s mixture comes from that expert; the percentage in an expert "
    f"is its part of all rows' mixtures. Lines under {LEAST_DRAWN_WEIGHT:.0%} are left out."
)


def sharing_graph(plan: Plan, usage: Usage, layers: str = "best", by: str | None = None) -> str:
    """Draws in DOT which experts every node learnt to use.

    Args:
        plan: the plan that the usage is of.
        usage: what to draw.
        layers: which layers, as `Usage.shown` takes it.
        by: the level or feature that the usage was counted by; None for the nodes of every level.
    """
    panels = [Panel.of(_panel_text(plan, layer, usage), layer) for layer in usage.shown(layers)]
    width = max([NARROWEST, *(panel.width for panel in panels)])
    title = model_title(plan)
    statements, top = _head(title, width, UsageUnit.counted_by(plan, by))
    for panel in panels:
        statements += panel.statements(top, width)
        top += panel.height + PANEL_GAP
    return document(title, statements)


def _panel_text(plan: Plan, layer: LayerUsage, usage: Usage) -> PanelText:
    """What the panel of a layer says about its nodes: their part of the rows, or which task they follow."""
    depth, labels = len(usage.level(layer.level)), node_labels(plan, layer)
    for level in plan.levels:
        if level.name == layer.level:
            total = max(sum(layer.rows_N), 1)
            notes = tuple(f"{rows / total:.0%} of rows" if rows else "no rows" for rows in layer.rows_N)
            return PanelText(level.label or level.name, labels, notes, depth, level.layers[layer.layer])
    # Every row has every task, so a share of rows would say nothing here.
    after = {task.name: plan.tasks.tasks[task.after].label for task in plan.tasks.tasks if task.after is not None}
    notes = tuple(f"after {after[node]}" if node in after else "" for node in layer.nodes)
    return PanelText(layer.level, labels, notes, depth, plan.tasks.layers[layer.layer])


def _head(title: str, width: float, unit: UsageUnit) -> tuple[list[str], float]:
    """Title, explanation and legend, and the y from which on panels may stand."""
    text = (
        span(shortened(title, (width - 360) / 18, bold=True), 18, bold=True)
        + WIDE_SPACE
        + span(f"which experts each {unit} learnt to use", 18, MUTED)
    )
    statements = [text_block("title", Area(0, 0, width, 28), text)]
    top = 32.0
    for number, row in enumerate(_wrapped(HOW_TO_READ.format(unit.noun), min(width, WIDEST_TEXT) / 10)):
        statements.append(text_block(f"how to read {number}", Area(0, top, width, 14), span(row, 10, MUTED)))
        top += 14
    top += 14
    return statements + _legend(top, unit.noun), top + 36


LEGEND = {
    "specific": "specific to one {}",
    "group": "used by a group",
    "shared": "shared by all",
    "dead": f"dead: under {DEAD:.1%} everywhere",
}


def _legend(top: float, noun: str) -> list[str]:
    statements, left, middle = [], 0.0, top + 9
    for role, meaning in ((role, text.format(noun)) for role, text in LEGEND.items()):
        statements.append(_swatch(role, left + 14, middle))
        width = width_ems(meaning) * 10
        statements.append(text_block(f"legend {role} text", Area(left + 34, top, width, 18), span(meaning, 10, INK)))
        left += 34 + width + 14
    for weight in (0.05, 0.25, 0.5):
        tail, head = f"legend {weight} from", f"legend {weight} to"
        path = ((left, middle), (left + 10, middle), (left + 20, middle), (left + 30, middle))
        for name, end in ((tail, path[0]), (head, path[3])):
            statements.append(box(name, end, 0.1, 0.1, SPACE, style="invis", fontsize=1))
        statements.append(edge(tail, head, path, **line_style(INK, weight)))
        left += 34
        statements.append(text_block(f"legend {weight} text", Area(left, top, 26, 18), span(f"{weight:.0%}", 10, INK)))
        left += 34
    return statements


def _swatch(role: str, x: float, middle: float) -> str:
    style = "rounded,filled,dashed" if role == "dead" else "rounded,filled"
    look = {"style": style, "fillcolor": TINTS[role], "color": COLOURS[role], "penwidth": 1.3}
    return box(f"legend {role}", (x, middle), 26, 16, span("e", 9, INK if role != "dead" else MUTED), **look)


def _wrapped(text: str, ems: float) -> list[str]:
    rows: list[str] = []
    for word in one_line(text).split(" "):
        if rows and width_ems(f"{rows[-1]} {word}") <= ems:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows
