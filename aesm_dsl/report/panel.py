"""`Panel`: one layer's nodes, the experts they use, and the lines between them.

Three rows: experts shared by all on top, the nodes in the middle, below them the experts of one node or a
group, each under the nodes that use it. So lines are short, and an expert's place already says whether it is shared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aesm_dsl.plan.plan import LayerPlan
from aesm_dsl.report.dot import COLOURS, FAINT, GAP, INK, MUTED, TINTS, box, line, lines, panel, span, words
from aesm_dsl.report.layout import apart, beside, evenly
from aesm_dsl.report.text_width import plain, shortened, width_ems
from aesm_dsl.training.sharing.sharing_matrix import ROLES, Sharing, sharing

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.layer_usage import LayerUsage

HIDDEN = 0.02
"""Lines of less mean mixture weight are not drawn; experts left without one fold into "rarely used"."""

LABEL_SIZE, NAME_SIZE, NOTE_SIZE = 12.5, 9.0, 9.0
LABEL_EMS, NAME_EMS = 13.0, 20.0
"""Labels and names wider than this are cut with an ellipsis."""
NODE_GAP = 14.0
EXPERT_WIDTH, EXPERT_HEIGHT, EXPERT_GAP = 40.0, 32.0, 6.0
FOLD_WIDTH = 96.0
MARGIN, HEAD_HEIGHT = 18.0, 50.0
NODE_ROOM, EXPERT_ROOM = 180.0, 120.0
"""Most width given to a node, and to an expert shared by all, where another panel makes the page wide."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a panel writes about its layer."""

    title: str
    labels: tuple[str, ...]
    """Of the nodes, in order."""
    notes: tuple[str, ...]
    """A few small words under each node."""
    depth: int
    """Layers of the level."""
    plan: LayerPlan


@dataclass(frozen=True, slots=True)
class Panel:
    scene: Scene
    usage: LayerUsage
    sharing: Sharing
    above: tuple[int, ...]
    """Experts shared by all."""
    below: tuple[int, ...]
    """Experts of a node or a group, from left to right."""
    folds: tuple[tuple[str, tuple[int, ...]], ...]
    """Experts without a line, folded into one box: "rare" or "dead", and which."""

    @staticmethod
    def of(scene: Scene, usage: LayerUsage) -> Panel:
        found = sharing(usage)
        columns = list(zip(*usage.weight_NE, strict=True))
        seen = [expert for expert, column in enumerate(columns) if max(column) >= HIDDEN]
        kind = {expert: role.kind for expert, role in enumerate(found.roles)}

        def place(expert: int) -> tuple[float, int, int]:
            column = columns[expert]
            middle = sum(at * weight for at, weight in enumerate(column)) / sum(column)
            return middle, ROLES.index(kind[expert]), expert

        above = tuple(expert for expert in seen if kind[expert] == "shared")
        below = tuple(sorted((expert for expert in seen if kind[expert] != "shared"), key=place))
        dead = tuple(expert for expert in kind if kind[expert] == "dead")
        rare = tuple(expert for expert in kind if expert not in seen and expert not in dead)
        folds = tuple((name, experts) for name, experts in (("rare", rare), ("dead", dead)) if experts)
        return Panel(scene, usage, found, above, below, folds)

    @property
    def width(self) -> float:
        """Least width in points."""
        slot = EXPERT_WIDTH + EXPERT_GAP
        row = len(self.below) * slot + self._folds_width
        return max(len(self.usage.nodes) * (self._node_width + NODE_GAP), row, len(self.above) * slot) + 2 * MARGIN

    @property
    def height(self) -> float:
        rows = bool(self.above) + bool(self.below or self.folds)
        return HEAD_HEIGHT + self._node_height + rows * (EXPERT_HEIGHT + self._drop) + MARGIN

    def statements(self, top: float, width: float) -> list[str]:
        """The panel as DOT, from `top` downwards, as wide as the page."""
        node_x, expert_x = self._places(width)
        y = top + HEAD_HEIGHT
        above_y = y + EXPERT_HEIGHT / 2
        if self.above:
            y += EXPERT_HEIGHT + self._drop
        node_y = y + self._node_height / 2
        below_y = y + self._node_height + self._drop + EXPERT_HEIGHT / 2
        expert_y = dict.fromkeys(self.above, above_y) | dict.fromkeys(self.below, below_y)
        inside = self._head(top, width)
        inside += [self._node(at, (x, node_y)) for at, x in enumerate(node_x)]
        inside += [self._expert(expert, (x, expert_y[expert])) for expert, x in expert_x.items()]
        left = width - MARGIN - len(self.folds) * (FOLD_WIDTH + EXPERT_GAP) + EXPERT_GAP
        for number, (kind, experts) in enumerate(self.folds):
            middle = left + number * (FOLD_WIDTH + EXPERT_GAP) + FOLD_WIDTH / 2
            inside.append(self._fold(kind, experts, (middle, below_y)))
        sheet = panel(self._part("panel"), 0, top, width, top + self.height, inside)
        up = self._lines(node_x, expert_x, self.above, node_y, above_y)
        return sheet + up + self._lines(node_x, expert_x, self.below, node_y, below_y)

    def _places(self, width: float) -> tuple[list[float], dict[int, float]]:
        """x of the nodes, and of the experts that have a box of their own."""
        nodes = len(self.usage.nodes)
        room = max(min(width - 2 * MARGIN, nodes * max(NODE_ROOM, self._node_width + NODE_GAP)), 0)
        node_x = evenly(nodes, (width - room) / 2, (width + room) / 2)
        room = min(width - 2 * MARGIN, max(len(self.above) * EXPERT_ROOM, 0.75 * room * (nodes > 4)))
        above_x = evenly(len(self.above), (width - room) / 2, (width + room) / 2)
        wanted = []
        for expert in self.below:
            weights = [row[expert] for row in self.usage.weight_NE]
            wanted.append(sum(x * weight for x, weight in zip(node_x, weights, strict=True)) / sum(weights))
        half = EXPERT_WIDTH / 2
        right = width - MARGIN - self._folds_width - half
        below_x = apart(wanted, EXPERT_WIDTH + EXPERT_GAP, MARGIN + half, right)
        return node_x, dict(zip((*self.above, *self.below), (*above_x, *below_x), strict=True))

    def _head(self, top: float, width: float) -> list[str]:
        level, layer, plan = self.usage.level, self.usage.layer, self.scene.plan
        title = span(shortened(self.scene.title, 30, bold=True), 14, bold=True)
        if plain(self.scene.title) != plain(level):
            title += GAP + span(shortened(level, 30), 11, MUTED)
        if self.scene.depth > 1:
            title += GAP + span(f"· layer {layer + 1} of {self.scene.depth}", 11, MUTED)
        count = Counter(role.kind for role in self.sharing.roles)
        found = ", ".join(f"{count[role]} {_ROLE_WORDS[role]}" for role in ROLES if count[role])
        about = (
            f"{len(self.sharing.roles)} experts: {found}. Every row picks {plan.specific} specific and "
            f"{plan.shared} shared. Evenness of use {self.sharing.evenness:.2f}, "
            f"mutual information of expert and node {self.sharing.mutual_information:.2f} nats"
        )
        wide = width - 2 * MARGIN
        return [
            words(self._part("title"), MARGIN, top + 6, wide, 20, title),
            words(self._part("about"), MARGIN, top + 25, wide, 14, span(about, 9.5, MUTED)),
        ]

    def _node(self, at: int, centre: tuple[float, float]) -> str:
        name, label, note = self.usage.nodes[at], self.scene.labels[at], self.scene.notes[at]
        seen = self.usage.rows_N[at] > 0
        text = lines(
            span(shortened(label, LABEL_EMS, bold=True), LABEL_SIZE, INK if seen else MUTED, bold=True),
            span(_beneath(name, label), NAME_SIZE, MUTED),
            span(shortened(note, NAME_EMS), NOTE_SIZE, INK if seen else MUTED),
        )
        look = {"fillcolor": "white", "color": "#7b8794" if seen else FAINT, "penwidth": 1.2}
        return box(self._id(name), centre, self._node_width, self._node_height, text, **look)

    def _expert(self, expert: int, centre: tuple[float, float]) -> str:
        role, share = self.sharing.roles[expert], self.sharing.share[expert]
        text = lines(span(f"e{expert}", 11, INK, bold=True), span(_percent(share), 8.5, INK))
        tooltip = f"e{expert}: {_ROLE_WORDS[role.kind]}, used by {', '.join(role.nodes)}"
        look = {
            "fillcolor": TINTS[role.kind],
            "color": COLOURS[role.kind],
            "penwidth": 1.4,
            "tooltip": tooltip,
        }
        return box(self._part(f"e{expert}"), centre, EXPERT_WIDTH, EXPERT_HEIGHT, text, class_=role.kind, **look)

    def _fold(self, kind: str, experts: tuple[int, ...], centre: tuple[float, float]) -> str:
        names = " ".join(f"e{expert}" for expert in experts)
        text = lines(
            span(f"{len(experts)} {'dead' if kind == 'dead' else 'rarely used'}", 10, MUTED),
            span(shortened(names, (FOLD_WIDTH - 14) / 8), 8, MUTED),
        )
        style = "rounded,filled,dashed" if kind == "dead" else "rounded,filled"
        look = {"style": style, "fillcolor": TINTS[kind], "color": COLOURS[kind], "tooltip": names}
        return box(self._part(kind), centre, FOLD_WIDTH, EXPERT_HEIGHT, text, class_=kind, **look)

    def _lines(
        self,
        node_x: list[float],
        expert_x: dict[int, float],
        experts: tuple[int, ...],
        node_y: float,
        expert_y: float,
    ) -> list[str]:
        """Lines of the nodes to one row of experts; at a box side by side, in the order of where they go."""
        weight = {
            (node, expert): row[expert]
            for node, row in enumerate(self.usage.weight_NE)
            for expert in sorted(experts, key=lambda expert: expert_x[expert])
            if row[expert] >= HIDDEN
        }
        leaves: dict[tuple[int, int], float] = {}
        for node, x in enumerate(node_x):
            mine = [pair for pair in weight if pair[0] == node]
            widths = [pen_points(weight[pair]) + 2 for pair in mine]
            leaves.update(zip(mine, beside(x, widths, self._node_width - 16), strict=True))
        arrives: dict[tuple[int, int], float] = {}
        for expert in experts:
            mine = [pair for pair in weight if pair[1] == expert]
            widths = [pen_points(weight[pair]) + 1 for pair in mine]
            arrives.update(zip(mine, beside(expert_x[expert], widths, EXPERT_WIDTH - 14), strict=True))
        down = 1 if expert_y > node_y else -1
        start = node_y + down * (self._node_height / 2 - 2)
        end = expert_y - down * (EXPERT_HEIGHT / 2 - 2)
        middle = (start + end) / 2
        statements = []
        for (node, expert), amount in weight.items():
            x0, x1 = leaves[node, expert], arrives[node, expert]
            tail, head = self._id(self.usage.nodes[node]), self._part(f"e{expert}")
            look = stroke(COLOURS[self.sharing.roles[expert].kind], amount)
            tooltip = f"{self.usage.nodes[node]}: {amount:.1%} from e{expert}"
            path = ((x0, start), (x0, middle), (x1, middle), (x1, end))
            statements.append(line(tail, head, path, tooltip=tooltip, **look))
        return statements

    def _id(self, node: str) -> str:
        return f"{self.usage.level}.{self.usage.layer}/{node}"

    def _part(self, name: str) -> str:
        """As `_id`, for all that is no node; a node may well be called `e0` or `dead`."""
        return f"{self.usage.level}.{self.usage.layer}#{name}"

    @property
    def _node_width(self) -> float:
        texts = zip(self.usage.nodes, self.scene.labels, self.scene.notes, strict=True)
        return max([64.0, *(_node_width(*text) for text in texts)])

    @property
    def _node_height(self) -> float:
        named = any(_beneath(*text) for text in zip(self.usage.nodes, self.scene.labels, strict=True))
        return 28.0 + 11 * named + 12 * any(self.scene.notes)

    @property
    def _drop(self) -> float:
        """Height of the lines: more in a wide panel, where they would run flat."""
        return min(max(76.0, 0.09 * self.width), 190.0)

    @property
    def _folds_width(self) -> float:
        return len(self.folds) * (FOLD_WIDTH + EXPERT_GAP) + (8 if self.folds else 0)


_ROLE_WORDS = {"specific": "specific", "group": "of a group", "shared": "shared by all", "dead": "dead"}


def pen_points(weight: float) -> float:
    """Width of a line, growing with the mixture weight."""
    return 0.6 + 16 * weight


def stroke(colour: str, weight: float) -> dict[str, Any]:
    """Pen and opacity of a line; both grow with the mixture weight."""
    opacity = round(255 * (0.35 + 0.45 * min(weight / 0.5, 1.0)))
    return {"color": f"{colour}{opacity:02x}", "penwidth": pen_points(weight)}


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.00995 else f"{share:.1%}"


def _beneath(name: str, label: str) -> str:
    """The name, where the label does not say it already."""
    return "" if plain(name) == plain(label) else shortened(name, NAME_EMS)


def _node_width(name: str, label: str, note: str) -> float:
    small = max(width_ems(_beneath(name, label)) * NAME_SIZE, width_ems(shortened(note, NAME_EMS)) * NOTE_SIZE)
    return max(width_ems(shortened(label, LABEL_EMS, bold=True), bold=True) * LABEL_SIZE, small) + 18
