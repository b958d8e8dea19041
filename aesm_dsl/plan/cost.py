"""What a plan costs: parameters, and FLOPs a row (a multiplication and an addition are two).

Embedding tables are not counted: they are looked up, not multiplied, and their size is the data's, not the network's.
What is made of looked up vectors is: pooling, attention, the turning of vectors to another width, numbers as numbers.
Norms, activations and the mixing of experts' outputs are not counted in FLOPs: they are a few operations per unit,
Linears a few hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan

EXPERT_START = {"cpu": 1.5e6, "cuda": 5e9}
"""FLOPs that could be done while one more expert is started. The CPU's is measured (bench/experts.py); the GPU's is an
estimate from the launches of about ten small kernels, not measured."""


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
    """By level's name, the task level as "tasks": its layers' experts and gates, and its node embedding. Of a baseline
    by the parts it has."""
    towers: Cost
    features: Cost
    """What makes the features' vectors of what the tables give."""

    @property
    def total(self) -> Cost:
        return sum(self.levels.values(), self.features + self.towers)


def cost(plan: Plan) -> PlanCost:
    """What the plan costs, level by level, or part by part."""
    return _aes(plan) if plan.baseline is None else _baseline(plan, plan.baseline)


def _aes(plan: Plan) -> PlanCost:
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
    towers = Cost(plan.towers * parameters, tasks * flops, tasks * flops)
    return PlanCost(levels, towers, features_cost(plan.features))


def features_cost(features: Sequence[FeaturePlan], copies: int = 1) -> Cost:
    """What the features cost beside their tables, with so many embeddings of which a row runs one."""
    found = [_feature(feature) for feature in features]
    return _cost(copies * sum(parameters for parameters, _ in found), sum(flops for _, flops in found))


def _feature(feature: FeaturePlan) -> tuple[int, int]:
    """Parameters and FLOPs a row. A number: its slope, start and missing vector. A list: the vector of the empty one,
    and what attention learns. Vectors of a file: those of the missing and the unknown key, and what turns the others.
    """
    width, slots = feature.embed, feature.slots
    if feature.values:
        return 3 * width, 2 * width
    parameters = flops = 0
    if feature.pool:
        parameters, flops = width, 2 * slots * width
    if feature.pool == "attention":
        parameters, flops = parameters + width**2 + slots, flops + 2 * width**2 + 2 * slots * width
    if feature.kind == "vectors":
        turn = feature.given * width if feature.given != width else 0
        parameters, flops = parameters + (2 * width + turn if not feature.table else 0), flops + 2 * slots * turn
    return parameters, flops


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
    chosen = inputs * layer.most(gates // inputs)
    return Cost(
        parameters,
        inputs * layer.experts * expert_flops + gate_flops,
        chosen * expert_flops + gate_flops,
    )


def loop_pays(layer: LayerPlan, rows: int, gates: int = 1, device: str = "cpu") -> bool:
    """Whether running each expert on the rows that selected it costs less than running all on all of a batch's rows:
    it must save more FLOPs than starting the experts in use takes."""
    pairs = rows * layer.most(gates)
    saved = (rows * layer.experts - pairs) * _linears((layer.input, *layer.hidden))[1]
    return saved > _expert_start(device) * min(layer.experts, pairs)


def loop_pays_from(layer: LayerPlan, gates: int = 1, device: str = "cpu") -> int | None:
    """The least rows of a batch from which it pays for good; None where a row may run every expert."""
    spared = (layer.experts - layer.most(gates)) * _linears((layer.input, *layer.hidden))[1]
    if spared == 0:
        return None
    if loop_pays(layer, 1, gates, device):
        return 1
    return int(_expert_start(device) * layer.experts / spared) + 1


def _expert_start(device: str) -> float:
    """Of a device that is neither, as of a GPU."""
    return EXPERT_START.get(device, EXPERT_START["cuda"])


def _baseline(plan: Plan, baseline: BaselinePlan) -> PlanCost:
    """A row runs what belongs to its own leaf: that, and not all leaves together, is counted in its FLOPs."""
    leaves, tasks, width = baseline.leaves, len(plan.tasks.tasks), plan.width
    features = features_cost(plan.features, leaves if baseline.architecture == "single" else 1)
    towers = (baseline.output, *plan.tasks.tower, 1)
    norm = baseline.norm != "none"

    def bottoms(copies: int, runs: int, before: int = width) -> Cost:
        parameters, flops = _linears((before, *baseline.hidden))
        return _cost(copies * (parameters + 2 * norm * sum(baseline.hidden)), runs * flops)

    def linears(copies: int, runs: int, *widths: int) -> Cost:
        parameters, flops = _linears(widths)
        return _cost(copies * parameters, runs * flops)

    of_leaf_and_task = linears(leaves * tasks, tasks, *towers)
    table = _cost(leaves * baseline.embed, 0)
    match baseline.architecture:
        case "shared_bottom":
            return PlanCost({"bottom": bottoms(1, 1)}, of_leaf_and_task, features)
        case "esmm":
            parts = {"leaf embedding": table, "bottoms": bottoms(tasks, tasks, width + baseline.embed)}
            return PlanCost(parts, linears(tasks, tasks, *towers), features)
        case "mmoe":
            experts, gates = baseline.experts, linears(leaves * tasks, tasks, width, baseline.experts)
            return PlanCost({"experts": bottoms(experts, experts), "gates": gates}, of_leaf_and_task, features)
        case "ple":
            own, shared = tasks * baseline.specific, baseline.shared
            layers = {}
            for depth in range(baseline.repeat):
                before = baseline.output if depth else width
                spent = bottoms(leaves * own + shared, own + shared, before)
                spent += linears(leaves * tasks, tasks, before, baseline.specific + shared)
                if depth + 1 < baseline.repeat:  # the gate of the shared experts, for the layer above
                    spent += linears(leaves, 1, before, own) + linears(1, 1, before, shared)
                layers[f"layer {depth + 1}"] = spent
            return PlanCost(layers, of_leaf_and_task, features)
        case "star":
            parts = {
                "normalisation": _cost((1 + leaves) * 2 * width, 0),
                "bottom": linears(1 + leaves, 1, width, *baseline.hidden),
                "auxiliary": table + linears(1, 1, width + baseline.embed, *baseline.auxiliary, tasks),
            }
            return PlanCost(parts, linears((1 + leaves) * tasks, tasks, *towers), features)
        case "single":
            return PlanCost({"bottoms": bottoms(leaves, 1)}, of_leaf_and_task, features)
        case _:
            raise ValueError(f"no architecture {baseline.architecture!r}")


def _cost(parameters: int, flops: int) -> Cost:
    """What runs as a whole: there is nothing to select."""
    return Cost(parameters, flops, flops)


def _linears(widths: tuple[int, ...]) -> tuple[int, int]:
    """Parameters and FLOPs of Linears, with bias, between the widths."""
    parameters = sum((before + 1) * after for before, after in pairwise(widths))
    return parameters, sum(2 * before * after for before, after in pairwise(widths))
