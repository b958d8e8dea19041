"""The hierarchy as DOT: which node lies under which, one column for each level, from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx

from aesm_dsl.report.dot import (
    FAINT,
    INK,
    MUTED,
    SPACE,
    Area,
    Point,
    box,
    cluster,
    document,
    edge,
    lines,
    span,
    text_block,
)
from aesm_dsl.report.layout import even_positions, spaced_positions
from aesm_dsl.report.text_width import one_line, shortened, width_ems

Node = tuple[str, str]
"""A level's name and a node's name."""

TITLE_SIZE, HEAD_SIZE, LABEL_SIZE, NAME_SIZE, NOTE_SIZE = 18.0, 13.0, 13.0, 9.0, 10.0
LABEL_EMS, NAME_EMS = 18.0, 26.0
"""Labels and names wider than this are cut with an ellipsis."""
BOX_HEIGHT, BOX_GAP, THEN_GAP = 38.0, 12.0, 34.0
MARGIN, HEAD_HEIGHT, BETWEEN = 16.0, 34.0, 96.0
TOP = 44.0
"""Height of the title, above the columns."""
ARROW = 7.0
ARROW_LOOK: dict[str, Any] = {"color": "#8894a0", "penwidth": 1.1, "arrowsize": ARROW / 10}
THEN_COLOUR = "#0072b2"


@dataclass(frozen=True, slots=True)
class _Column:
    level: str
    nodes: tuple[Node, ...]
    left: float
    """Left edge of the boxes; the sheet behind them begins MARGIN before it."""
    width: float
    pitch: float
    """The least distance between the middles of two boxes."""


def structure_graph(graph: nx.DiGraph) -> str:
    """Draws a hierarchy in DOT: arrows from parent to child, and a dashed "then" along the funnel.

    The nodes of a level stand in the order of their parents; if a node has none, in the graph's order. If every node of
    a level leads to every node of the next, and that takes more than four arrows, they are bundled through a dot.

    Args:
        graph: nodes (level, name) with attributes `level` and `label`; edges from parent to child, and from task to
            task with attribute `funnel=True`. `graph.graph` holds "levels", from top to bottom, and "title".
    """
    columns = _columns(graph)
    height = max((column.pitch * len(column.nodes) for column in columns), default=0.0)
    top = TOP + HEAD_HEIGHT
    positions = _positions(columns, graph, top, top + height)
    right = max((column.left + column.width + MARGIN for column in columns), default=0.0)
    title = str(graph.graph["title"])
    head = span(shortened(title, 48, bold=True), TITLE_SIZE, bold=True)
    statements = [text_block("title", Area(0, 0, max(right, 300), 26), head)]
    for column in columns:
        statements += _column_statements(column, graph, positions, top + height + MARGIN / 2)
    return document(title, statements + _arrows(columns, graph, positions))


def _columns(graph: nx.DiGraph) -> list[_Column]:
    """The columns; if all nodes of a level have parents, they are sorted by their parents' mean index."""
    columns: list[_Column] = []
    left = MARGIN
    index: dict[Node, float] = {}
    for level in graph.graph["levels"]:
        nodes = [node for node, node_level in graph.nodes(data="level") if node_level == level]
        above = {node: [index[parent] for parent in graph.predecessors(node) if parent in index] for node in nodes}
        if all(above.values()):
            nodes.sort(key=lambda node: sum(above[node]) / len(above[node]))
        index.update((node, at) for at, node in enumerate(nodes))
        widths = [_width(node, graph) for node in nodes]
        width = max([90.0, _head_width(level, len(nodes)), *widths])
        funnel = any(_tasks_before(graph, node) for node in nodes)
        pitch = BOX_HEIGHT + (THEN_GAP if funnel else BOX_GAP)
        columns.append(_Column(level, tuple(nodes), left, width, pitch))
        left += width + 2 * MARGIN + BETWEEN
    return columns


def _tasks_before(graph: nx.DiGraph, task: Node) -> list[Node]:
    """The tasks that this one follows in a funnel."""
    return [before for before, _, funnel in graph.in_edges(task, data="funnel") if funnel]


def _width(node: Node, graph: nx.DiGraph) -> float:
    label, name = _texts(node, graph)
    return max(width_ems(label) * LABEL_SIZE, width_ems(name) * NAME_SIZE) + 22


def _head_width(level: str, count: int) -> float:
    name = shortened(level, LABEL_EMS, bold=True)
    return width_ems(name, bold=True) * HEAD_SIZE + width_ems(f"  {count}") * NOTE_SIZE


def _texts(node: Node, graph: nx.DiGraph) -> tuple[str, str]:
    """The label, and the name to write small below it; the name is empty if the label is the same."""
    label = one_line(str(graph.nodes[node].get("label") or node[1]))
    name = "" if label == one_line(node[1]) else shortened(node[1], NAME_EMS)
    return shortened(label, LABEL_EMS), name


def _positions(columns: list[_Column], graph: nx.DiGraph, top: float, bottom: float) -> dict[Node, Point]:
    """The middles of the boxes.

    The tallest column is spaced evenly. From there outwards, each node stands beside the mean of its neighbours.
    """
    tallest = max(range(len(columns)), key=lambda at: columns[at].pitch * len(columns[at].nodes), default=-1)
    y: dict[Node, float] = {}
    for at in [*range(tallest, -1, -1), *range(tallest + 1, len(columns))]:
        column = columns[at]
        even = even_positions(len(column.nodes), top, bottom)
        if at == tallest:
            y.update(zip(column.nodes, even, strict=True))
            continue
        near = {node: [y[other] for other in nx.all_neighbors(graph, node) if other in y] for node in column.nodes}
        wanted = [
            sum(near[node]) / len(near[node]) if near[node] else even_y
            for node, even_y in zip(column.nodes, even, strict=True)
        ]
        half = BOX_HEIGHT / 2
        y.update(zip(column.nodes, spaced_positions(wanted, column.pitch, top + half, bottom - half), strict=True))
    return {node: (column.left + column.width / 2, y[node]) for column in columns for node in column.nodes}


def _column_statements(column: _Column, graph: nx.DiGraph, positions: dict[Node, Point], bottom: float) -> list[str]:
    head = span(shortened(column.level, LABEL_EMS, bold=True), HEAD_SIZE, bold=True)
    head += SPACE + span(str(len(column.nodes)), NOTE_SIZE, MUTED)
    inside = [text_block(f"head {column.level}", Area(column.left, TOP, column.width, HEAD_HEIGHT - 4), head)]
    for node in column.nodes:
        label, name = _texts(node, graph)
        text = lines(span(label, LABEL_SIZE, INK), span(name, NAME_SIZE, MUTED))
        inside.append(box(_id(node), positions[node], column.width, BOX_HEIGHT, text, fillcolor="white", color=FAINT))
    area = Area(column.left - MARGIN, TOP, column.width + 2 * MARGIN, bottom - TOP)
    return cluster(column.level, area, inside)


def _id(node: Node) -> str:
    return "/".join(node)


def _arrows(columns: list[_Column], graph: nx.DiGraph, positions: dict[Node, Point]) -> list[str]:
    width = {node: column.width for column in columns for node in column.nodes}
    statements: list[str] = []
    bundled: set[tuple[Node, Node]] = set()
    for parents, children in pairwise(columns):
        pairs = [(parent, child) for parent in parents.nodes for child in children.nodes]
        if min(len(parents.nodes), len(children.nodes)) < 2 or len(pairs) <= 4:
            continue
        if all(graph.has_edge(*pair) for pair in pairs):
            bundled.update(pairs)
            statements += _bundle(parents, children, positions)
    for parent, child, funnel in graph.edges(data="funnel"):
        if funnel:
            statements.append(_then(parent, child, positions, width[child]))
        elif (parent, child) not in bundled:
            start, end = _right(positions[parent], width[parent]), _left(positions[child], width[child])
            statements.append(_arrow(_id(parent), _id(child), start, end))
    return statements


def _bundle(parents: _Column, children: _Column, positions: dict[Node, Point]) -> list[str]:
    """Arrows from all nodes of a column to all of the next, through a dot between the columns."""
    name = f"{parents.level} x {children.level}"
    ys = [positions[node][1] for node in children.nodes]
    middle = ((parents.left + parents.width + children.left) / 2, (min(ys) + max(ys)) / 2)
    look = {"shape": "circle", "fillcolor": ARROW_LOOK["color"], "color": ARROW_LOOK["color"]}
    to_dot = [
        edge(_id(node), name, _curve(_right(positions[node], parents.width), middle), **ARROW_LOOK)
        for node in parents.nodes
    ]
    from_dot = [_arrow(name, _id(node), middle, _left(positions[node], children.width)) for node in children.nodes]
    return [box(name, middle, 5, 5, SPACE, fontsize=1, **look), *to_dot, *from_dot]


def _right(centre: Point, width: float) -> Point:
    return centre[0] + width / 2, centre[1]


def _left(centre: Point, width: float) -> Point:
    return centre[0] - width / 2, centre[1]


def _arrow(tail: str, head: str, start: Point, tip: Point) -> str:
    return edge(tail, head, _curve(start, (tip[0] - ARROW, tip[1])), tip, **ARROW_LOOK)


def _curve(start: Point, end: Point) -> tuple[Point, Point, Point, Point]:
    middle = (start[0] + end[0]) / 2
    return start, (middle, start[1]), (middle, end[1]), end


def _then(before: Node, task: Node, positions: dict[Node, Point], width: float) -> str:
    """A dashed arrow between two tasks: straight down to the next box, or past others in a bow on the right."""
    (x, y0), (_, y1) = positions[before], positions[task]
    look: dict[str, Any] = {"style": "dashed", "color": THEN_COLOUR, "penwidth": 1.5, "arrowsize": ARROW / 10}
    sign = 1.0 if y1 > y0 else -1.0
    between = any(min(y0, y1) < y < max(y0, y1) for other_x, y in positions.values() if other_x == x)
    if between:
        right, reach = x + width / 2, 40.0
        path = ((right, y0), (right + reach, y0), (right + reach, y1), (right + ARROW, y1))
        tip, at = (right, y1), (right + reach * 0.75 + 16, (y0 + y1) / 2)
    else:
        start, end = y0 + sign * BOX_HEIGHT / 2, y1 - sign * BOX_HEIGHT / 2
        stop = end - sign * ARROW
        path = ((x, start), (x, start + (stop - start) / 3), (x, start + (stop - start) * 2 / 3), (x, stop))
        tip, at = (x, end), (x + 20, (start + end) / 2)
    text = (span("then", NOTE_SIZE, THEN_COLOUR), at)
    return edge(_id(before), _id(task), path, tip, text, **look)
