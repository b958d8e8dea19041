"""`Panel`: one layer in the sharing picture: its nodes, the experts that they use, and the lines between them.

It has three rows: experts shared by all on top, the nodes in the middle, and at the bottom the experts of one node or a
group, each below the nodes that use it. So lines are short, and the row of an expert already says whether it is shared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from aesm_dsl.plan.plan import LayerPlan
from aesm_dsl.report.dot import (
    COLOURS,
    FAINT,
    INK,
    MUTED,
    SPACE,
    TINTS,
    Area,
    Point,
    box,
    cluster,
    edge,
    lines,
    span,
    text_block,
)
from aesm_dsl.report.layout import adjacent_positions, even_positions, spaced_positions
from aesm_dsl.report.text_width import one_line, shortened, width_ems
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import ROLES, Sharing, sharing

LEAST_DRAWN_WEIGHT = 0.02
"""Lines of less mean mixture weight are not drawn; experts that are left without a line fold into "rarely used"."""

LABEL_SIZE, NAME_SIZE, NOTE_SIZE = 12.5, 9.0, 9.0
LABEL_EMS, NAME_EMS = 13.0, 20.0
"""Labels and names wider than this are cut with an ellipsis."""
NODE_GAP = 14.0
EXPERT_WIDTH, EXPERT_HEIGHT, EXPERT_GAP = 40.0, 32.0, 6.0
FOLD_WIDTH = 96.0
MARGIN, HEAD_HEIGHT = 18.0, 50.0
NODE_ROOM, EXPERT_ROOM = 180.0, 120.0
"""The most width that a node, and an expert shared by all, gets if another panel makes the page wide."""


@dataclass(frozen=True, slots=True)
class PanelText:
    """What a panel writes about its layer."""

    title: str
    labels: tuple[str, ...]
    """Labels of the nodes, in order."""
    notes: tuple[str, ...]
    """A few small words under each node."""
    depth: int
    """Number of layers of the level."""
    plan: LayerPlan


@dataclass(frozen=True, slots=True)
class Panel:
    """One layer, with its experts arranged in rows."""

    text: PanelText
    usage: LayerUsage
    sharing: Sharing
    above: tuple[int, ...]
    """Experts shared by all."""
    below: tuple[int, ...]
    """Experts of a node or a group, from left to right."""
    folds: tuple[tuple[str, tuple[int, ...]], ...]
    """Experts without a line, in one box for each kind: "rare" or "dead", and the experts."""

    @staticmethod
    def of(text: PanelText, usage: LayerUsage) -> Panel:
        """Arranges the experts of a layer: each expert of a node or a group below the mean of its nodes."""
        layer_sharing = sharing(usage)
        weights = list(zip(*usage.weight_NE, strict=True))
        drawn = [expert for expert, weight_N in enumerate(weights) if max(weight_N) >= LEAST_DRAWN_WEIGHT]
        kind = {expert: role.kind for expert, role in enumerate(layer_sharing.roles)}

        def from_left(expert: int) -> tuple[float, int, int]:
            weight_N = weights[expert]
            middle = sum(node * weight for node, weight in enumerate(weight_N)) / sum(weight_N)
            return middle, ROLES.index(kind[expert]), expert

        above = tuple(expert for expert in drawn if kind[expert] == "shared")
        below = tuple(sorted((expert for expert in drawn if kind[expert] != "shared"), key=from_left))
        dead = tuple(expert for expert in kind if kind[expert] == "dead")
        rare = tuple(expert for expert in kind if expert not in drawn and expert not in dead)
        folds = tuple((name, experts) for name, experts in (("rare", rare), ("dead", dead)) if experts)
        return Panel(text, usage, layer_sharing, above, below, folds)

    @property
    def width(self) -> float:
        """The least width, in points."""
        slot = EXPERT_WIDTH + EXPERT_GAP
        row = len(self.below) * slot + self._folds_width
        return max(len(self.usage.nodes) * (self._node_width + NODE_GAP), row, len(self.above) * slot) + 2 * MARGIN

    @property
    def height(self) -> float:
        """The height, in points."""
        rows = bool(self.above) + bool(self.below or self.folds)
        return HEAD_HEIGHT + self._node_height + rows * (EXPERT_HEIGHT + self._line_height) + MARGIN

    def statements(self, top: float, width: float) -> list[str]:
        """Returns the panel as DOT, from `top` downwards, as wide as the page."""
        node_x, expert_x = self._positions(width)
        y = top + HEAD_HEIGHT
        above_y = y + EXPERT_HEIGHT / 2
        if self.above:
            y += EXPERT_HEIGHT + self._line_height
        node_y = y + self._node_height / 2
        below_y = y + self._node_height + self._line_height + EXPERT_HEIGHT / 2
        expert_y = dict.fromkeys(self.above, above_y) | dict.fromkeys(self.below, below_y)
        inside = self._head(top, width)
        inside += [self._node(node, (x, node_y)) for node, x in enumerate(node_x)]
        inside += [self._expert(expert, (x, expert_y[expert])) for expert, x in expert_x.items()]
        left = width - MARGIN - len(self.folds) * (FOLD_WIDTH + EXPERT_GAP) + EXPERT_GAP
        for number, (kind, experts) in enumerate(self.folds):
            middle = left + number * (FOLD_WIDTH + EXPERT_GAP) + FOLD_WIDTH / 2
            inside.append(self._fold(kind, experts, (middle, below_y)))
        sheet = cluster(self._part_id("panel"), Area(0, top, width, self.height), inside)
        up = self._lines(node_x, expert_x, self.above, node_y, above_y)
        return sheet + up + self._lines(node_x, expert_x, self.below, node_y, below_y)

    def _positions(self, width: float) -> tuple[list[float], dict[int, float]]:
        """Returns x of the nodes, and of the experts that have a box of their own."""
        nodes = len(self.usage.nodes)
        room = max(min(width - 2 * MARGIN, nodes * max(NODE_ROOM, self._node_width + NODE_GAP)), 0)
        node_x = even_positions(nodes, (width - room) / 2, (width + room) / 2)
        room = min(width - 2 * MARGIN, max(len(self.above) * EXPERT_ROOM, 0.75 * room * (nodes > 4)))
        above_x = even_positions(len(self.above), (width - room) / 2, (width + room) / 2)
        wanted = []
        for expert in self.below:
            weights = [row[expert] for row in self.usage.weight_NE]
            wanted.append(sum(x * weight for x, weight in zip(node_x, weights, strict=True)) / sum(weights))
        half = EXPERT_WIDTH / 2
        right = width - MARGIN - self._folds_width - half
        below_x = spaced_positions(wanted, EXPERT_WIDTH + EXPERT_GAP, MARGIN + half, right)
        return node_x, dict(zip((*self.above, *self.below), (*above_x, *below_x), strict=True))

    def _head(self, top: float, width: float) -> list[str]:
        level, layer, plan = self.usage.level, self.usage.layer, self.text.plan
        title = span(shortened(self.text.title, 30, bold=True), 14, bold=True)
        if one_line(self.text.title) != one_line(level):
            title += SPACE + span(shortened(level, 30), 11, MUTED)
        if self.text.depth > 1:
            title += SPACE + span(f"· layer {layer + 1} of {self.text.depth}", 11, MUTED)
        count = Counter(role.kind for role in self.sharing.roles)
        counted = ", ".join(f"{count[role]} {_ROLE_WORDS[role]}" for role in ROLES if count[role])
        about = (
            f"{len(self.sharing.roles)} experts: {counted}. Every row picks {plan.specific} specific and "
            f"{plan.shared} shared. Evenness of use {self.sharing.evenness:.2f}, "
            f"mutual information of expert and node {self.sharing.mutual_information:.2f} nats"
        )
        text_width = width - 2 * MARGIN
        return [
            text_block(self._part_id("title"), Area(MARGIN, top + 6, text_width, 20), title),
            text_block(self._part_id("about"), Area(MARGIN, top + 25, text_width, 14), span(about, 9.5, MUTED)),
        ]

    def _node(self, node: int, centre: Point) -> str:
        name, label, note = self.usage.nodes[node], self.text.labels[node], self.text.notes[node]
        has_rows = self.usage.rows_N[node] > 0
        text = lines(
            span(shortened(label, LABEL_EMS, bold=True), LABEL_SIZE, INK if has_rows else MUTED, bold=True),
            span(_small_name(name, label), NAME_SIZE, MUTED),
            span(shortened(note, NAME_EMS), NOTE_SIZE, INK if has_rows else MUTED),
        )
        look = {"fillcolor": "white", "color": "#7b8794" if has_rows else FAINT, "penwidth": 1.2}
        return box(self._node_id(name), centre, self._node_width, self._node_height, text, **look)

    def _expert(self, expert: int, centre: Point) -> str:
        role, share = self.sharing.roles[expert], self.sharing.share[expert]
        text = lines(span(f"e{expert}", 11, INK, bold=True), span(_percent(share), 8.5, INK))
        tooltip = f"e{expert}: {_ROLE_WORDS[role.kind]}, used by {', '.join(role.nodes)}"
        look = {
            "fillcolor": TINTS[role.kind],
            "color": COLOURS[role.kind],
            "penwidth": 1.4,
            "tooltip": tooltip,
        }
        return box(self._part_id(f"e{expert}"), centre, EXPERT_WIDTH, EXPERT_HEIGHT, text, class_=role.kind, **look)

    def _fold(self, kind: str, experts: tuple[int, ...], centre: Point) -> str:
        names = " ".join(f"e{expert}" for expert in experts)
        text = lines(
            span(f"{len(experts)} {'dead' if kind == 'dead' else 'rarely used'}", 10, MUTED),
            span(shortened(names, (FOLD_WIDTH - 14) / 8), 8, MUTED),
        )
        style = "rounded,filled,dashed" if kind == "dead" else "rounded,filled"
        look = {"style": style, "fillcolor": TINTS[kind], "color": COLOURS[kind], "tooltip": names}
        return box(self._part_id(kind), centre, FOLD_WIDTH, EXPERT_HEIGHT, text, class_=kind, **look)

    def _lines(
        self,
        node_x: list[float],
        expert_x: dict[int, float],
        experts: tuple[int, ...],
        node_y: float,
        expert_y: float,
    ) -> list[str]:
        """Lines from the nodes to one row of experts. At a box they stand side by side, ordered by their other end."""
        weight = {
            (node, expert): row[expert]
            for node, row in enumerate(self.usage.weight_NE)
            for expert in sorted(experts, key=lambda expert: expert_x[expert])
            if row[expert] >= LEAST_DRAWN_WEIGHT
        }
        start_x: dict[tuple[int, int], float] = {}
        for node, x in enumerate(node_x):
            pairs = [pair for pair in weight if pair[0] == node]
            widths = [pen_width(weight[pair]) + 2 for pair in pairs]
            start_x.update(zip(pairs, adjacent_positions(x, widths, self._node_width - 16), strict=True))
        end_x: dict[tuple[int, int], float] = {}
        for expert in experts:
            pairs = [pair for pair in weight if pair[1] == expert]
            widths = [pen_width(weight[pair]) + 1 for pair in pairs]
            end_x.update(zip(pairs, adjacent_positions(expert_x[expert], widths, EXPERT_WIDTH - 14), strict=True))
        down = 1 if expert_y > node_y else -1
        start = node_y + down * (self._node_height / 2 - 2)
        end = expert_y - down * (EXPERT_HEIGHT / 2 - 2)
        middle = (start + end) / 2
        statements = []
        for (node, expert), share in weight.items():
            x0, x1 = start_x[node, expert], end_x[node, expert]
            tail, head = self._node_id(self.usage.nodes[node]), self._part_id(f"e{expert}")
            look = line_style(COLOURS[self.sharing.roles[expert].kind], share)
            tooltip = f"{self.usage.nodes[node]}: {share:.1%} from e{expert}"
            path = ((x0, start), (x0, middle), (x1, middle), (x1, end))
            statements.append(edge(tail, head, path, tooltip=tooltip, **look))
        return statements

    def _node_id(self, node: str) -> str:
        return f"{self.usage.level}.{self.usage.layer}/{node}"

    def _part_id(self, name: str) -> str:
        """Like `_node_id`, for everything else: a node may be called `e0` or `dead`."""
        return f"{self.usage.level}.{self.usage.layer}#{name}"

    @property
    def _node_width(self) -> float:
        texts = zip(self.usage.nodes, self.text.labels, self.text.notes, strict=True)
        return max([64.0, *(_node_text_width(*text) for text in texts)])

    @property
    def _node_height(self) -> float:
        named = any(_small_name(*names) for names in zip(self.usage.nodes, self.text.labels, strict=True))
        return 28.0 + 11 * named + 12 * any(self.text.notes)

    @property
    def _line_height(self) -> float:
        """Height of the lines between two rows: more in a wide panel, where they would otherwise run flat."""
        return min(max(76.0, 0.09 * self.width), 190.0)

    @property
    def _folds_width(self) -> float:
        return len(self.folds) * (FOLD_WIDTH + EXPERT_GAP) + (8 if self.folds else 0)


_ROLE_WORDS = {"specific": "specific", "group": "of a group", "shared": "shared by all", "dead": "dead"}


def pen_width(weight: float) -> float:
    """Returns the width of a line in points; it grows with the mixture weight."""
    return 0.6 + 16 * weight


def line_style(colour: str, weight: float) -> dict[str, Any]:
    """Returns pen and opacity of a line; both grow with the mixture weight."""
    opacity = round(255 * (0.35 + 0.45 * min(weight / 0.5, 1.0)))
    return {"color": f"{colour}{opacity:02x}", "penwidth": pen_width(weight)}


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.00995 else f"{share:.1%}"


def _small_name(name: str, label: str) -> str:
    """Returns the name, to write small below the label; empty if the label is the name."""
    return "" if one_line(name) == one_line(label) else shortened(name, NAME_EMS)


def _node_text_width(name: str, label: str, note: str) -> float:
    small = max(width_ems(_small_name(name, label)) * NAME_SIZE, width_ems(shortened(note, NAME_EMS)) * NOTE_SIZE)
    return max(width_ems(shortened(label, LABEL_EMS, bold=True), bold=True) * LABEL_SIZE, small) + 18
