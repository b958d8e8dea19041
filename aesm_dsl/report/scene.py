"""The plan's words for what a layer's usage is about: the level's title, and the labels of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aesm_dsl.plan import TASKS, Plan

if TYPE_CHECKING:  # usage.py loads torch
    from aesm_dsl.training.usage import LayerUsage


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
