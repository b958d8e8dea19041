"""The DOT language: safe strings, statements, and the colours that all pictures share.

Every statement says where it stands, so the same input always gives the same picture and panels line up: Graphviz's
`nop2` layout draws things at their `pos` and computes none itself. Lengths are points (1/72 inch), x to the right,
y down.
"""

from __future__ import annotations

import html
from typing import Any, NamedTuple

from aesm_dsl.report.text_width import FONT, one_line

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
"""Pale forms of `COLOURS`, as a background for text."""

SPACE = "<font> </font>"
"""A space between two spans; a span itself begins and ends with a letter."""
WIDE_SPACE = 3 * SPACE
"""The same between the large words above a picture."""

Point = tuple[float, float]


class Area(NamedTuple):
    """A rectangle of a picture, in points."""

    left: float
    top: float
    width: float
    height: float


def document(name: str, statements: list[str]) -> str:
    """Returns a complete DOT text of these statements."""
    look = attributes(layout="nop2", outputorder="edgesfirst", bgcolor="white", fontname=FONT, pad=0.3)
    defaults = [
        "graph" + look,
        "node" + attributes(shape="box", fixedsize="true", style="rounded,filled", fontname=FONT),
        "edge" + attributes(fontname=FONT),
    ]
    return "\n".join([f"digraph {dot_string(name)} {{", *defaults, *statements, "}", ""])


def cluster(name: str, area: Area, inside: list[str]) -> list[str]:
    """Returns a pale rounded sheet with statements on it."""
    # Graphviz draws a subgraph as a box only if its name begins with "cluster".
    left, top, width, height = area
    corners = f"{left:.5g},{-(top + height):.5g},{left + width:.5g},{-top:.5g}"
    look = attributes(bb=corners, style="rounded,filled", fillcolor=PANEL, color=EDGE)
    return [f"subgraph {dot_string('cluster ' + name)} {{", "graph" + look, *inside, "}"]


def box(name: str, centre: Point, width: float, height: float, label: str, **look: object) -> str:
    """Returns a node; `label` is made of spans and lines."""
    size: dict[str, Any] = {"width": width / 72, "height": height / 72}
    return dot_string(name) + attributes(label, pos=_position(centre), **size, **look)


def text_block(name: str, area: Area, label: str) -> str:
    """Returns a text without an outline: flush left in the area, and vertically in its middle."""
    # Only a table can be set flush left inside a node.
    left, top, width, height = area
    table = (
        f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0" width="{width:.0f}">'
        f'<tr><td align="left" width="{width:.0f}">{label}</td></tr></table>'
    )
    middle = (left + width / 2, top + height / 2)
    return box(name, middle, width + 8, height, table, shape="plain", style="solid", fixedsize="false")


def edge(
    tail: str,
    head: str,
    path: tuple[Point, Point, Point, Point],
    tip: Point | None = None,
    text: tuple[str, Point] | None = None,
    **look: object,
) -> str:
    """Returns an edge along a Bezier curve.

    Args:
        tail: name of the node where it begins.
        head: name of the node where it ends.
        path: the curve's four control points.
        tip: the point of an arrow that continues the curve; None draws no arrow.
        text: a label, made of spans, and the position of its middle.
        look: attributes of the edge.
    """
    curve = " ".join(_position(point) for point in path)
    position: dict[str, Any] = {"pos": f"e,{_position(tip)} {curve}"} if tip else {"pos": curve, "dir": "none"}
    if text:
        position["lp"] = _position(text[1])
    return f"{dot_string(tail)} -> {dot_string(head)}" + attributes(text[0] if text else None, **position, **look)


def span(text: str, size: float, colour: str = INK, bold: bool = False) -> str:
    """Returns the text as a piece of a label; `size` is that of the font, in points."""
    # Graphviz looks for escapes such as \N in HTML-like labels too, after it has read the entities.
    safe = html.escape(one_line(text).replace("\\", "\\\\"))
    inner = f"<b>{safe}</b>" if bold else safe
    return f'<font point-size="{size:g}" color="{colour}">{inner}</font>' if safe else ""


def lines(*spans: str) -> str:
    """Returns spans below each other, centred; empty ones are left out."""
    return "<br/>".join(piece for piece in spans if piece)


def attributes(label: str | None = None, /, **values: object) -> str:
    """Returns ` [name="value", ...]`; `label` is made of spans.

    A name that Python reserves ends with `_` here, as in `class_`.
    """
    # An empty label must be written, or Graphviz writes the node's name instead.
    pairs = [] if label is None else [f"label=<{label}>" if label else 'label=""']
    pairs += [f"{name.rstrip('_')}={dot_string(_value_text(value))}" for name, value in values.items()]
    return f" [{', '.join(pairs)}]"


def dot_string(text: str) -> str:
    """Returns a DOT string in double quotes that stands for exactly this text, on one line."""
    return '"' + one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _position(point: Point) -> str:
    # Graphviz counts y upwards.
    return f"{point[0]:.5g},{-point[1]:.5g}"


def _value_text(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
