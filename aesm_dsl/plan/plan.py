"""`Plan`: everything right of the language as plain numbers. No torch here, and no text of the spec.

A plan is what golden tests compare, what a run stores, and all that the data, layers and training rooms read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.features import FeaturePlan, auto_width
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.plan.training import TrainingPlan

TASKS = "tasks"
"""Name of the task level, in selections, usage and costs."""

FORMAT = 1
"""Version of the plan's JSON form; a plan of another version is refused."""

PAD = -1
"""Id in the slots of a feature behind its last value."""
MISSING = 0
"""Row of every embedding table that stands for a missing value."""
OTHER = 1
"""Row of a category's table that all values outside its vocabulary share."""

UNKNOWN = -1
"""Node of a row whose node is missing or not in the plan; only levels with `unknown` take such rows."""
OUTSIDE = "(unknown)"
"""Stands for an unknown node in a leaf's name; no node can be called so."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    name: str
    label: str
    values: tuple[str, ...]
    """Values of the level's column, written as text, that mean this node."""
    parents: tuple[int, ...]
    """Indices, in the level above, of the nodes it lies under; empty on the first level."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One AES layer (method.md eq. 1-8)."""

    input: int
    """D, width of x."""
    context: int
    """C, width of the context c."""
    nodes: int
    """N, gates compared with each other: the level's nodes, or the tasks."""
    experts: int
    hidden: tuple[int, ...]
    """Widths of an expert's Linear layers; the last is its output width F."""
    specific: int
    shared: int
    norm: str
    """Norm inside the experts: "layer", "batch" (over the rows that run the expert) or "none"."""
    mixture_norm: str
    """Norm on the mixture: "layer" or "none" (none is the paper's)."""
    activation: str
    """"silu" or "relu"."""
    dropout: float
    temperature: float = 1.0
    """Divides the gate logits before the softmax of the mixture (eq. 7); the selection does not see it."""
    residual: bool = False
    """Whether the layer's input is added to its output; both then have the same width."""
    compare: str = "level"
    """Which nodes eq. 3 compares: all of the "level", or the "siblings" of the row's node under the row's parent."""
    budget: int | None = None
    """Upper bound on the distinct experts that a row runs for all its tasks; on the task level only."""
    unknown: bool = False
    """Whether rows may have an unknown node; they run their shared experts alone."""
    execution: str = "auto"
    """How experts run: "dense" all on all rows, "loop" or "grouped" on the rows that selected them, or "auto"."""

    @property
    def output(self) -> int:
        return self.hidden[-1]

    def most(self, gates: int) -> int:
        """Experts that a row runs at most for `gates` gates that share its input."""
        return min(self.experts, (self.specific + self.shared) * gates, self.budget or self.experts)


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One scenario level: a stack of AES layers whose gates are the level's nodes."""

    name: str
    label: str
    column: str
    nodes: tuple[NodePlan, ...]
    width: int
    """Width of the node embedding."""
    layers: tuple[LayerPlan, ...]
    unknown: bool = False
    """Whether a row may have a node that is missing or not in the plan; else such rows are refused."""
    hide: float = 0.0
    """Share of training rows whose node is hidden, so that what unknown nodes run on is learnt."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    name: str
    label: str
    column: str
    rule: str
    """How the column becomes 0 or 1: "as is", "above" (column > value) or "equals" (column = value as text)."""
    value: float | str | None
    after: int | None
    """Index of the task this one follows in the funnel."""
    weight: float
    joint: str = "product"
    """Of a task that follows another: "product", P(that) * P(this | that), or "direct", a tower for all of P(this)."""
    where: int | None = None
    """Index of the task that must have happened, on a row that counts for it, for the row to count."""

    @property
    def factor(self) -> int | None:
        """Index of the task whose probability is a factor of this one's."""
        return self.after if self.joint == "product" else None


@dataclass(frozen=True, slots=True)
class TaskLevelPlan:
    """The last level: gates are the tasks; the first layer has one input for all of them."""

    tasks: tuple[TaskPlan, ...]
    width: int
    """Width of the task embedding."""
    layers: tuple[LayerPlan, ...]
    tower: tuple[int, ...]
    """Hidden widths of each task's tower; a last Linear to one logit follows."""
    tower_activation: str
    tower_dropout: float
    tower_per: str = "task"
    """What has a tower of its own in AES: each "task", or each task in each "leaf"."""


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    label: str
    features: tuple[FeaturePlan, ...]
    levels: tuple[LevelPlan, ...]
    tasks: TaskLevelPlan
    training: TrainingPlan
    data: DataPlan | None
    baseline: BaselinePlan | None = None
    """Another architecture than AES; the levels and the tasks then have no layers."""

    @property
    def reading(self) -> tuple[FeaturePlan, ...]:
        """The features that read a column."""
        return tuple(feature for feature in self.features if feature.column)

    @property
    def width(self) -> int:
        """D of the first layer: all features' embeddings, concatenated."""
        return sum(feature.width for feature in self.features)

    @property
    def slots(self) -> int:
        """S, columns of ids of all features."""
        return sum(feature.slots for feature in self.features)

    @property
    def values(self) -> int:
        """V, columns of values of all features."""
        return sum(feature.values for feature in self.features)

    @property
    def leaves(self) -> tuple[tuple[int, ...], ...]:
        """Every path of the scenario levels, a node's index per level, in declared order; one empty path without."""
        paths: tuple[tuple[int, ...], ...] = ((),)
        for level in self.levels:
            paths = tuple(
                (*path, index)
                for path in paths
                for index, node in enumerate(level.nodes)
                if not node.parents or path[-1] in node.parents
            )
        return paths

    def leaf_name(self, path: Sequence[int]) -> str:
        """`search > hot_funds`, as findings, tables and runs call a leaf; "" without levels."""
        return " > ".join(
            OUTSIDE if node == UNKNOWN else level.nodes[node].name
            for level, node in zip(self.levels, path, strict=True)
        )

    @property
    def leaf_count(self) -> int:
        """The leaves, and one more for all rows with an unknown node, where a level takes them."""
        return len(self.leaves) + any(level.unknown for level in self.levels)

    @property
    def towers(self) -> int:
        """Towers of an AES network: one for each task, or for each task in each leaf."""
        return len(self.tasks.tasks) * (self.leaf_count if self.tasks.tower_per == "leaf" else 1)

    def with_rows(self, rows: Mapping[str, int], given: Mapping[str, int] | None = None) -> Plan:
        """The same plan with what is known of the features once they are fitted.

        rows   feature name -> rows of its table
        given  feature name -> width of the vectors in its file
        """

        def fitted(feature: FeaturePlan) -> FeaturePlan:
            owner = feature.table or feature.name
            width = auto_width(rows[owner]) if feature.auto else feature.width
            return replace(feature, rows=rows[owner], width=width, given=(given or {}).get(owner, feature.given))

        plan = replace(self, features=tuple(map(fitted, self.features)))
        if self.levels:
            top, *others = self.levels
            return replace(plan, levels=(replace(top, layers=_fed(top.layers, plan.width)), *others))
        return replace(plan, tasks=replace(self.tasks, layers=_fed(self.tasks.layers, plan.width)))

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> Plan:
        """Reads the plan that `to_json` wrote.

        Raises:
            ValueError: the version of the format is another, or a field is not of its type.
        """
        values: dict[str, Any] = json.loads(text)
        version = values.pop("format", None)
        if version != FORMAT:
            raise ValueError(f"plan format {version}, this version reads format {FORMAT}")
        return read_json(Plan, json.dumps(values))


def _fed(layers: tuple[LayerPlan, ...], width: int) -> tuple[LayerPlan, ...]:
    """The layers with an input of this width."""
    if not layers:
        return layers
    first = replace(layers[0], input=width, residual=layers[0].residual and width == layers[0].output)
    return (first, *layers[1:])
