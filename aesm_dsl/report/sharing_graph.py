"""What was learnt, as DOT: a title, how to read it, a legend, and one panel per layer, stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.dot import COLOURS, GAP, HEAD_GAP, INK, MUTED, TINTS, box, line, page, span, words
from aesm_dsl.report.panel import HIDDEN, Panel, Scene, stroke
from aesm_dsl.report.subject import Subject, labels_of, name_of
from aesm_dsl.report.text_width import plain, shortened, width_ems
from aesm_dsl.training.sharing.sharing_matrix import DEAD

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.layer_usage import LayerUsage
    from aesm_dsl.training.sharing.usage import Usage

NARROWEST = 800.0
"""Least width of the page in points; the legend needs it."""

WIDEST_TEXT = 1100.0
"""Longer lines of prose are tiring."""

PANEL_GAP = 16.0

HOW_TO_READ = (
    "How to read: a row of data comes to its {0} (white) and mixes the outputs of a few experts (coloured). "
    "Experts below the {0}s belong to one {0} or to a group of {0}s, experts above are shared by all. "
    "The wider a line, the more of the {0}'s mixture comes from that expert; the percentage in an expert "
    f"is its part of all rows' mixtures. Lines under {HIDDEN:.0%} are left out."
)


def sharing_graph(plan: Plan, usage: Usage, layers: str = "best", by: str | None = None) -> str:
    """DOT of which experts every node learnt to use, in the layers of `Usage.shown`.

    by  the level or feature that the usage was counted by, if it was
    """
    panels = [Panel.of(_scene(plan, layer, usage), layer) for layer in usage.shown(layers)]
    width = max([NARROWEST, *(panel.width for panel in panels)])
    title = name_of(plan)
    statements, top = _head(title, width, Subject.by(plan, by))
    for panel in panels:
        statements += panel.statements(top, width)
        top += panel.height + PANEL_GAP
    return page(title, statements)


def _scene(plan: Plan, layer: LayerUsage, usage: Usage) -> Scene:
    """The plan's words for a layer's nodes."""
    depth, labels = len(usage.level(layer.level)), labels_of(plan, layer)
    for level in plan.levels:
        if level.name == layer.level:
            total = max(sum(layer.rows_N), 1)
            notes = tuple(f"{rows / total:.0%} of rows" if rows else "no rows" for rows in layer.rows_N)
            return Scene(level.label or level.name, labels, notes, depth, level.layers[layer.layer])
    # Every row has every task, so a share of rows would say nothing here.
    after = {task.name: plan.tasks.tasks[task.after].label for task in plan.tasks.tasks if task.after is not None}
    notes = tuple(f"after {after[node]}" if node in after else "" for node in layer.nodes)
    return Scene(layer.level, labels, notes, depth, plan.tasks.layers[layer.layer])


def _head(title: str, width: float, one: Subject) -> tuple[list[str], float]:
    """Title, caption and legend, and where the first panel may begin."""
    text = (
        span(shortened(title, (width - 360) / 18, bold=True), 18, bold=True)
        + HEAD_GAP
        + span(f"which experts each {one} learnt to use", 18, MUTED)
    )
    statements = [words("title", 0, 0, width, 28, text)]
    top = 32.0
    for number, row in enumerate(_wrapped(HOW_TO_READ.format(one.noun), min(width, WIDEST_TEXT) / 10)):
        statements.append(words(f"how to read {number}", 0, top, width, 14, span(row, 10, MUTED)))
        top += 14
    top += 14
    return statements + _legend(top, one.noun), top + 36


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
        statements.append(words(f"legend {role} text", left + 34, top, width, 18, span(meaning, 10, INK)))
        left += 34 + width + 14
    for weight in (0.05, 0.25, 0.5):
        tail, head = f"legend {weight} from", f"legend {weight} to"
        path = ((left, middle), (left + 10, middle), (left + 20, middle), (left + 30, middle))
        for name, end in ((tail, path[0]), (head, path[3])):
            statements.append(box(name, end, 0.1, 0.1, GAP, style="invis", fontsize=1))
        statements.append(line(tail, head, path, **stroke(INK, weight)))
        left += 34
        statements.append(words(f"legend {weight} text", left, top, 26, 18, span(f"{weight:.0%}", 10, INK)))
        left += 34
    return statements


def _swatch(role: str, x: float, middle: float) -> str:
    style = "rounded,filled,dashed" if role == "dead" else "rounded,filled"
    look = {"style": style, "fillcolor": TINTS[role], "color": COLOURS[role], "penwidth": 1.3}
    return box(f"legend {role}", (x, middle), 26, 16, span("e", 9, INK if role != "dead" else MUTED), **look)


def _wrapped(text: str, ems: float) -> list[str]:
    rows: list[str] = []
    for word in plain(text).split(" "):
        if rows and width_ems(f"{rows[-1]} {word}") <= ems:
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows
