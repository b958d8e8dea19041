"""The plan's words for what a layer's usage is about: the level's title, its nodes and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aesm_dsl.plan.plan import TASKS, Plan
from aesm_dsl.report.text_width import plain

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.sharing.layer_usage import LayerUsage


@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture of usage has a row or a box for."""

    noun: str = "node"
    """`node`, or `value` of a feature."""
    of: str = ""
    """Whose it is, where one level or feature stands in for every level."""

    @classmethod
    def by(cls, plan: Plan, by: str | None) -> Subject:
        """by  the level or feature whose nodes or values stand in for the nodes of every level, as `usage` takes it"""
        if by is None:
            return cls()
        return cls("node" if any(level.name == by for level in plan.levels) else "value", f" of {by}")

    def __str__(self) -> str:
        return f"{self.noun}{self.of}"


def name_of(plan: Plan) -> str:
    """The model's label and name, on one line."""
    label, name = plain(plan.label), plan.name
    return name if label in ("", name) else f"{label} {name}"


def labels_of(plan: Plan, layer: LayerUsage) -> tuple[str, ...]:
    """Labels of a layer's nodes; those of segments of a feature are their names."""
    own = {
        node.name: node.label or node.name for level in plan.levels if level.name == layer.level for node in level.nodes
    }
    if layer.level == TASKS:
        own = {task.name: task.label or task.name for task in plan.tasks.tasks}
    known = set(layer.nodes) <= set(own)
    return tuple(own[node] if known else node for node in layer.nodes)


def title_of(plan: Plan, layer: LayerUsage, depth: int) -> str:
    """The level's label and name, and which of its layers this is, where there are several."""
    label = next((level.label for level in plan.levels if level.name == layer.level), layer.level)
    title = layer.level if label in ("", layer.level) else f"{label} {layer.level}"
    return title if depth == 1 else f"{title} · layer {layer.layer + 1} of {depth}"
