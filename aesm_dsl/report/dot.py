"""The DOT language: text made safe for it, its statements, and the one palette of all pictures.

Pictures place everything themselves, so the same input always gives the same picture and panels line up:
Graphviz' `nop2` layout draws things where `pos` says. Lengths are points (1/72 inch), x to the right, y down.
"""

from __future__ import annotations

import html
from typing import Any

from aesm_dsl.report.text_width import FONT, plain

INK, MUTED, FAINT, PANEL, EDGE = "#1f2933", "#5f6b77", "#b4bdc6", "#f6f7f9", "#dfe3e8"

COLOURS = {
    "specific": "#0072b2",
    "group": "#009e73",
    "shared": "#d55e00",
    "rare": "#8d97a1",
    "dead": "#a7afb8",
}
"""Colour of each expert role (Okabe and Ito's palette, distinct under the common colour blindnesses)."""

TINTS = {"specific": "#dcecf7", "group": "#d9f1ea", "shared": "#fbe6d6", "rare": "#eceff2", "dead": "#fbfcfd"}
"""Pale forms of `COLOURS`, to write on."""

GAP = "<font> </font>"
"""A space between two spans; a span itself begins and ends with a letter."""
HEAD_GAP = 3 * GAP
"""The same between the large words above a picture."""

Point = tuple[float, float]


def page(name: str, statements: list[str]) -> str:
    """A whole DOT text."""
    look = attributes(layout="nop2", outputorder="edgesfirst", bgcolor="white", fontname=FONT, pad=0.3)
    defaults = [
        "graph" + look,
        "node" + attributes(shape="box", fixedsize="true", style="rounded,filled", fontname=FONT),
        "edge" + attributes(fontname=FONT),
    ]
    return "\n".join([f"digraph {quoted(name)} {{", *defaults, *statements, "}", ""])


def panel(name: str, left: float, top: float, right: float, bottom: float, inside: list[str]) -> list[str]:
    """A pale rounded sheet with statements on it."""
    place = f"{left:.5g},{-bottom:.5g},{right:.5g},{-top:.5g}"
    look = attributes(bb=place, style="rounded,filled", fillcolor=PANEL, color=EDGE)
    return [f"subgraph {quoted('cluster ' + name)} {{", "graph" + look, *inside, "}"]


def box(name: str, centre: Point, width: float, height: float, label: str, **look: object) -> str:
    """A node; `label` is made of spans and lines."""
    size: dict[str, Any] = {"width": width / 72, "height": height / 72}
    return quoted(name) + attributes(label, pos=_place(centre), **size, **look)


def words(name: str, left: float, top: float, width: float, height: float, label: str) -> str:
    """Text that starts at `left`, centred between `top` and `top + height`."""
    # Only a table can be set flush left inside a node.
    table = (
        f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0" width="{width:.0f}">'
        f'<tr><td align="left" width="{width:.0f}">{label}</td></tr></table>'
    )
    middle = (left + width / 2, top + height / 2)
    return box(name, middle, width + 8, height, table, shape="plain", style="solid", fixedsize="false")


def line(
    tail: str,
    head: str,
    path: tuple[Point, Point, Point, Point],
    tip: Point | None = None,
    text: tuple[str, Point] | None = None,
    **look: object,
) -> str:
    """An edge along one Bezier curve; with `tip`, an arrow from the curve's end to there; `text` is a label made
    of spans and the place of its middle."""
    curve = " ".join(_place(point) for point in path)
    place: dict[str, Any] = {"pos": f"e,{_place(tip)} {curve}"} if tip else {"pos": curve, "dir": "none"}
    if text:
        place["lp"] = _place(text[1])
    return f"{quoted(tail)} -> {quoted(head)}" + attributes(text[0] if text else None, **place, **look)


def span(text: str, size: float, colour: str = INK, bold: bool = False) -> str:
    """The text as a piece of a label."""
    # Graphviz looks for escapes such as \N in HTML-like labels too, after it has read the entities.
    safe = html.escape(plain(text).replace("\\", "\\\\"))
    inner = f"<b>{safe}</b>" if bold else safe
    return f'<font point-size="{size:g}" color="{colour}">{inner}</font>' if safe else ""


def lines(*spans: str) -> str:
    """Spans under each other, centred; empty ones are left out."""
    return "<br/>".join(piece for piece in spans if piece)


def attributes(label: str | None = None, /, **values: object) -> str:
    """` [name="value", ...]`; `label` is made of spans, a name may end in `_` where Python reserves it."""
    # A label of nothing must be said, or Graphviz writes the node's name.
    pairs = [] if label is None else [f"label=<{label}>" if label else 'label=""']
    pairs += [f"{name.rstrip('_')}={quoted(_written(value))}" for name, value in values.items()]
    return f" [{', '.join(pairs)}]"


def quoted(text: str) -> str:
    """A DOT string in double quotes that stands for exactly this text on one line."""
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _place(point: Point) -> str:
    # Graphviz counts y upwards.
    return f"{point[0]:.5g},{-point[1]:.5g}"


def _written(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
