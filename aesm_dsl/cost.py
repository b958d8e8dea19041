"""What a plan costs: parameters, and FLOPs a row (a multiplication and an addition are two).

Embedding tables are not counted: they are looked up, not multiplied, and their size is the data's, not the network's.
Norms and activations are not counted in FLOPs: they are a few operations per unit, Linears a few hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from aesm_dsl.plan import TASKS, LayerPlan, Plan


@dataclass(frozen=True, slots=True)
class Cost:
    """`dense`: FLOPs a row when every expert runs; `selected`: when only the chosen ones do, at most."""

    parameters: int
    dense: int
    selected: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.dense + other.dense, self.selected + other.selected)


@dataclass(frozen=True, slots=True)
class PlanCost:
    levels: dict[str, Cost]
    """By level's name, the task level as "tasks": its layers' experts and gates, and its node embedding."""
    towers: Cost

    @property
    def total(self) -> Cost:
        return sum(self.levels.values(), self.towers)


def cost(plan: Plan) -> PlanCost:
    """What the plan costs, level by level."""
    levels = {}
    for level in plan.levels:
        nodes = Cost((len(level.nodes) + level.unknown) * level.width, 0, 0)
        levels[level.name] = sum((layer_cost(layer) for layer in level.layers), nodes)
    tasks = len(plan.tasks.tasks)
    total = Cost(tasks * plan.tasks.width, 0, 0)
    for depth, layer in enumerate(plan.tasks.layers):
        total += layer_cost(layer, gates=tasks, inputs=1 if depth == 0 else tasks)
    levels[TASKS] = total
    widths = (plan.tasks.layers[-1].output, *plan.tasks.tower, 1)
    parameters, flops = _linears(widths)
    return PlanCost(levels, Cost(tasks * parameters, tasks * flops, tasks * flops))


def layer_cost(layer: LayerPlan, gates: int = 1, inputs: int = 1) -> Cost:
    """What one AES layer costs.

    gates   how many nodes of the layer a row asks: 1, or T on the task level
    inputs  how many different inputs a row has: 1, or T after the first task layer; an expert runs once per input
    """
    expert_parameters, expert_flops = _linears((layer.input, *layer.hidden))
    if layer.norm != "none":
        expert_parameters += 2 * sum(layer.hidden)
    columns = layer.nodes * layer.experts
    gate_input = layer.input + layer.context
    parameters = layer.experts * expert_parameters + (gate_input + 1) * columns
    if layer.mixture_norm == "layer":
        parameters += 2 * layer.output
    gate_flops = gates * 2 * gate_input * columns
    picked = min(layer.experts, layer.specific + layer.shared)
    most = layer.experts if layer.budget is None else min(layer.experts, layer.budget)
    chosen = inputs * min(picked, most) if inputs > 1 else min(most, gates * picked)
    return Cost(
        parameters,
        inputs * layer.experts * expert_flops + gate_flops,
        chosen * expert_flops + gate_flops,
    )


def _linears(widths: tuple[int, ...]) -> tuple[int, int]:
    """Parameters and FLOPs of Linears, with bias, between the widths."""
    parameters = sum((before + 1) * after for before, after in pairwise(widths))
    return parameters, sum(2 * before * after for before, after in pairwise(widths))
