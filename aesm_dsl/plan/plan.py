"""`Plan`: a compiled spec as plain numbers and names, without torch and without the text of the spec.

It is all that data/, layers/ and training/ read of a spec. Runs store it as plan.json, and golden tests compare it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.bottom import BottomPlan
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.features import FeaturePlan, auto_width
from aesm_dsl.plan.number_form import NumberForm
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.plan.training import TrainingPlan

TASKS = "tasks"
"""Name of the task level in selections, usage and costs."""

FORMAT = 1
"""Version of the plan's JSON form; a plan of another version is refused."""

MOST_LEAVES = 1_000_000
"""A hierarchy of more leaves is refused: each has a row in scores, usage and reports."""

PAD = -1
"""Id in the slots of a feature after its last value."""
MISSING = 0
"""Row of every embedding table for missing values."""
OTHER = 1
"""Row of a category's table for all out-of-vocabulary values."""

UNKNOWN = -1
"""Node index of a row whose node is missing or not in the plan; only levels with `unknown` accept such rows."""
OUTSIDE = "(unknown)"
"""The name of an unknown node in a leaf's name; no node of a spec can have it."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node of a level."""

    name: str
    label: str
    values: tuple[str, ...]
    """The values of the level's column, written as text, that mean this node."""
    parents: tuple[int, ...]
    """Indices of the nodes in the level above under which it lies; empty on the first level."""


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One AES layer (method.md eq. 1-8)."""

    input: int
    """D, the width of x."""
    context: int
    """C, the width of the context c."""
    nodes: int
    """N, the number of gates that are compared with each other: the level's nodes, or the tasks."""
    experts: int
    """E, the number of experts."""
    hidden: tuple[int, ...]
    """Widths of an expert's Linear layers; the last is its output width F."""
    specific: int
    """K_sp, the specific experts of a gate."""
    shared: int
    """K_sh, the shared experts of a gate."""
    norm: str
    """Norm inside the experts: "layer", "batch" (over the rows that run the expert) or "none"."""
    mixture_norm: str
    """Norm of the mixture: "layer", or "none" as in the paper."""
    activation: str
    """"silu" or "relu"."""
    dropout: float
    temperature: float = 1.0
    """Divides the gate logits before the softmax of the mixture (eq. 7); it does not affect the selection."""
    residual: bool = False
    """Whether the layer's input is added to its output; both then have the same width."""
    compare: str = "level"
    """The nodes that eq. 3 compares: all of the "level", or the "siblings" of the row's node under the row's parent."""
    budget: int | None = None
    """Upper bound on the distinct experts that a row runs for all its tasks; only on the task level."""
    unknown: bool = False
    """Whether rows may have an unknown node; such rows run only shared experts."""
    execution: str = "auto"
    """How experts run: "dense" (all on all rows), "loop" or "grouped" (on the rows that selected them), or "auto"."""

    @property
    def output(self) -> int:
        """F, the width of the layer's output."""
        return self.hidden[-1]

    def most(self, gates: int) -> int:
        """The largest number of experts that a row runs for `gates` gates with the same input."""
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
    """Whether rows may have a node that is missing or not in the plan; otherwise such rows are refused."""
    hide: float = 0.0
    """Share of training rows whose node is hidden, so that the network learns to predict rows with unknown nodes."""


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task."""

    name: str
    label: str
    column: str
    rule: str
    """How the column becomes 0 or 1: "as is", "above" (column > value) or "equals" (column = value, or one of them)."""
    value: int | float | str | tuple[int | float | str, ...] | None
    after: int | None
    """Index of the task that this one follows in the funnel."""
    weight: float
    joint: str = "product"
    """How P(this task) is predicted if it follows another: "product" is P(other) * P(this | other), "direct" is a tower
    for P(this) itself."""
    form: NumberForm | None = None
    """For "above", how the numbers of a column of text are written; None if as in the language."""
    where: int | None = None
    """Index of the task on whose positive rows this one is trained and measured; other rows do not count for it."""

    @property
    def factor(self) -> int | None:
        """Index of the task whose probability is a factor of this task's, if there is one."""
        return self.after if self.joint == "product" else None


@dataclass(frozen=True, slots=True)
class TaskLevelPlan:
    """The last level: its gates are the tasks, and its first layer has one input for all of them."""

    tasks: tuple[TaskPlan, ...]
    width: int
    """Width of the task embedding."""
    layers: tuple[LayerPlan, ...]
    tower: tuple[int, ...]
    """Hidden widths of each task's tower; a last Linear to one logit follows."""
    tower_activation: str
    tower_dropout: float
    tower_per: str = "task"
    """In AES, one tower for each "task", or for each task in each "leaf"."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled spec: features, levels, tasks, training and data."""

    name: str
    label: str
    features: tuple[FeaturePlan, ...]
    levels: tuple[LevelPlan, ...]
    tasks: TaskLevelPlan
    training: TrainingPlan
    data: DataPlan | None
    baseline: BaselinePlan | None = None
    """The sizes of another architecture than AES; the levels and the tasks then have no layers."""
    bottom: BottomPlan | None = None
    """What happens to the features' vectors below the experts; None if nothing does."""
    training_features: tuple[FeaturePlan, ...] = ()
    """The features known in training only: no part of x, their ids and numbers stand behind those of `features`."""

    @property
    def all_features(self) -> tuple[FeaturePlan, ...]:
        """All features, in the order of a training batch's ids and numbers."""
        return (*self.features, *self.training_features)

    @property
    def reading(self) -> tuple[FeaturePlan, ...]:
        """The features that read a column of their own: all but crosses."""
        return tuple(feature for feature in self.all_features if feature.column)

    @property
    def width(self) -> int:
        """D of the first layer: the width of all features' vectors, concatenated, and of what the bottom adds."""
        return self.features_width + (self.bottom.added if self.bottom is not None else 0)

    @property
    def features_width(self) -> int:
        """The width of all features' vectors, concatenated."""
        return sum(feature.width for feature in self.features)

    @property
    def node_width(self) -> int:
        """The width of the node embeddings of all scenario levels together."""
        return sum(level.width for level in self.levels)

    @property
    def slots(self) -> int:
        """S, the number of id columns of all features but those known in training only."""
        return sum(feature.slots for feature in self.features)

    @property
    def values(self) -> int:
        """V, the number of columns of numbers of all features but those known in training only."""
        return sum(feature.values for feature in self.features)

    @property
    def leaves(self) -> tuple[tuple[int, ...], ...]:
        """Every path of the scenario levels in declared order, as one node index per level.

        Without levels there is one empty path.
        """
        paths: list[tuple[int, ...]] = [(index,) for index in range(len(self.levels[0].nodes))] if self.levels else [()]
        for above, level in pairwise(self.levels):
            below: dict[int, list[int]] = {}
            for index, node in enumerate(level.nodes):
                for parent in node.parents or range(len(above.nodes)):
                    below.setdefault(parent, []).append(index)
            paths = [(*path, index) for path in paths for index in below.get(path[-1], ())]
        return tuple(paths)

    def leaf_name(self, path: Sequence[int]) -> str:
        """Returns a leaf's name in findings, tables and runs, such as `search > hot_funds`; "" without levels."""
        return " > ".join(
            OUTSIDE if node == UNKNOWN else level.nodes[node].name
            for level, node in zip(self.levels, path, strict=True)
        )

    @property
    def leaf_count(self) -> int:
        """The number of leaves; if a level accepts unknown nodes, one more for all rows with an unknown node."""
        return len(self.leaves) + any(level.unknown for level in self.levels)

    @property
    def towers(self) -> int:
        """The number of towers of an AES network: one for each task, or for each task in each leaf."""
        return len(self.tasks.tasks) * (self.leaf_count if self.tasks.tower_per == "leaf" else 1)

    def with_rows(self, rows: Mapping[str, int], vector_widths: Mapping[str, int] | None = None) -> Plan:
        """Returns the plan with the sizes that are known after the features are fitted.

        Args:
            rows: rows of the embedding table, by feature.
            vector_widths: width of the vectors in the file, by feature.
        """

        def fitted(feature: FeaturePlan) -> FeaturePlan:
            owner = feature.table or feature.name
            width = auto_width(rows[owner]) if feature.auto else feature.width
            given = (vector_widths or {}).get(owner, feature.given)
            return replace(feature, rows=rows[owner], width=width, given=given)

        plan = replace(
            self,
            features=tuple(map(fitted, self.features)),
            training_features=tuple(map(fitted, self.training_features)),
        )
        if self.levels:
            top, *others = self.levels
            return replace(plan, levels=(replace(top, layers=_with_input(top.layers, plan.width)), *others))
        return replace(plan, tasks=replace(self.tasks, layers=_with_input(self.tasks.layers, plan.width)))

    def to_json(self) -> str:
        """Writes the plan as JSON."""
        values = {"format": FORMAT, **asdict(self)}
        for part in (values, *values["features"], *values["training_features"]):
            for name in {"bottom", "training_features", "encoding", "only", "steps", "until"} & part.keys():
                if not part[name]:  # versions that do not know it can read such a plan
                    del part[name]
        return json.dumps(values, ensure_ascii=False, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> Plan:
        """Reads the plan that `to_json` wrote.

        Raises:
            ValueError: the format has another version, or a field is not of its type.
        """
        values: dict[str, Any] = json.loads(text)
        if (version := values.pop("format", None)) != FORMAT:
            raise ValueError(f"plan format {version}, this version reads format {FORMAT}")
        return read_json(Plan, json.dumps(values))


def _with_input(layers: tuple[LayerPlan, ...], width: int) -> tuple[LayerPlan, ...]:
    """The layers of a level, with an input of this width."""
    if not layers:
        return layers
    first = replace(layers[0], input=width, residual=layers[0].residual and width == layers[0].output)
    return (first, *layers[1:])
