"""Titles, labels and nouns that pictures take from the plan."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.plan.plan import TASKS, Plan
from aesm_dsl.report.text_width import one_line
from aesm_dsl.training.sharing.layer_usage import LayerUsage


@dataclass(frozen=True, slots=True)
class UsageUnit:
    """The wording for what usage was counted by: "node", "node of entry" or "value of city"."""

    noun: str = "node"
    """`node`, or `value` for values of a feature."""
    owner: str = ""
    """` of NAME` if a level or feature stands in for the nodes of every level; otherwise empty."""

    @classmethod
    def counted_by(cls, plan: Plan, by: str | None) -> UsageUnit:
        """Returns the wording for `by`, the level or feature that `usage` counted by; None for each level's nodes."""
        if by is None:
            return cls()
        return cls("node" if any(level.name == by for level in plan.levels) else "value", f" of {by}")

    def __str__(self) -> str:
        return f"{self.noun}{self.owner}"


def model_title(plan: Plan) -> str:
    """Returns the model's label and name, on one line."""
    label, name = one_line(plan.label), plan.name
    return name if label in ("", name) else f"{label} {name}"


def node_labels(plan: Plan, layer: LayerUsage) -> tuple[str, ...]:
    """Returns the labels of a layer's nodes; for values of a feature, these are their names."""
    labels = {
        node.name: node.label or node.name for level in plan.levels if level.name == layer.level for node in level.nodes
    }
    if layer.level == TASKS:
        labels = {task.name: task.label or task.name for task in plan.tasks.tasks}
    known = set(layer.nodes) <= set(labels)
    return tuple(labels[node] if known else node for node in layer.nodes)


def layer_title(plan: Plan, layer: LayerUsage, depth: int) -> str:
    """Returns the level's label and name, and if the level has several layers (`depth`), which of them this is."""
    label = next((level.label for level in plan.levels if level.name == layer.level), layer.level)
    title = layer.level if label in ("", layer.level) else f"{label} {layer.level}"
    return title if depth == 1 else f"{title} · layer {layer.layer + 1} of {depth}"
