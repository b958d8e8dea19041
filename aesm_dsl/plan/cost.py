"""The cost of a plan: parameters, and FLOPs per row (a multiplication and an addition count as two).

Embedding tables are not counted: they are looked up, not multiplied, and the data decides their size. Operations on
looked-up vectors are counted: pooling, attention, the projection of vectors to another width, and numerical features.
Norms, activations and the mixing of experts' outputs are not counted in FLOPs: they take a few operations per unit,
Linears a few hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.feature_cost import feature_cost, pool_cost
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.pools import pools_of

EXPERT_START = {"cpu": 1.5e6, "cuda": 5e9}
"""FLOPs that could be done in the time that it takes to start one more expert. The CPU's number is measured
(bench/experts.py); the GPU's is an estimate from the launches of about ten small kernels, not measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a network or a piece of it."""

    parameters: int
    dense: int
    """FLOPs per row if every expert runs."""
    selected: int
    """FLOPs per row, at most, if only the selected experts run."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.dense + other.dense, self.selected + other.selected)


NOTHING = Cost(0, 0, 0)


@dataclass(frozen=True, slots=True)
class PlanCost:
    """The cost of a plan, divided into levels (or a baseline's parts), towers and features."""

    levels: dict[str, Cost]
    """Maps each level's name, "tasks" for the task level, to the cost of its experts, gates and node embedding. For a
    baseline, maps the names of its parts to their costs."""
    towers: Cost
    features: Cost
    """Cost of the operations that turn looked-up vectors and numbers into the features' vectors."""
    bottom: Cost = NOTHING
    """Cost of what happens to the features' vectors below the experts."""

    @property
    def total(self) -> Cost:
        return sum(self.levels.values(), self.features + self.bottom + self.towers)


def cost(plan: Plan) -> PlanCost:
    """Returns the cost of a plan, level by level, or part by part for a baseline."""
    baseline = plan.baseline
    costs = _aes_cost(plan) if baseline is None else _baseline_cost(plan, baseline)
    if baseline is not None and baseline.leaf_feature:
        leaf = _unselected(baseline.leaves * baseline.embed, 0)
        costs = replace(costs, levels={"leaf embedding": leaf, **costs.levels})
    return replace(costs, bottom=_bottom_cost(plan))


def _bottom_cost(plan: Plan) -> Cost:
    """The cost of what lies below the experts; a row runs that of its own leaf, if each leaf has its own."""
    if plan.bottom is None:
        return NOTHING
    copies = plan.baseline.leaves if plan.baseline is not None and plan.baseline.architecture == "single" else 1
    parameters, flops = plan.bottom.cost(plan.features, plan.node_width)
    if plan.bottom.gate == "scenario":
        parameters += sum((len(level.nodes) + level.unknown) * level.width for level in plan.levels)
    return _unselected(copies * parameters, flops)


def _aes_cost(plan: Plan) -> PlanCost:
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
    """Returns the cost of the features without their tables.

    Args:
        features: the features of the plan.
        copies: copies of the embedding in the network; a row runs one of them.
    """
    costs = [*map(feature_cost, features), *map(pool_cost, pools_of(features))]
    return _unselected(copies * sum(parameters for parameters, _ in costs), sum(flops for _, flops in costs))


def layer_cost(layer: LayerPlan, gates: int = 1, inputs: int = 1) -> Cost:
    """Returns the cost of one AES layer.

    Args:
        layer: the layer.
        gates: gates that a row runs: 1, or T (the number of tasks) on the task level.
        inputs: different inputs of a row: 1, or T after the first task layer. An expert runs once per input.
    """
    expert_parameters, expert_flops = _linears((layer.input, *layer.hidden))
    if layer.norm != "none":
        expert_parameters += 2 * sum(layer.hidden)
    # The gates of all nodes are computed for every row: eq. 3 compares a node with the others.
    gate_outputs = layer.nodes * layer.experts
    gate_input = layer.input + layer.context
    parameters = layer.experts * expert_parameters + (gate_input + 1) * gate_outputs
    if layer.mixture_norm == "layer":
        parameters += 2 * layer.output
    gate_flops = gates * 2 * gate_input * gate_outputs
    selected = inputs * layer.most(gates // inputs)
    return Cost(
        parameters,
        inputs * layer.experts * expert_flops + gate_flops,
        selected * expert_flops + gate_flops,
    )


def loop_pays(layer: LayerPlan, rows: int, gates: int = 1, device: str = "cpu") -> bool:
    """Whether running each expert on the rows that selected it is cheaper than running all experts on all rows.

    It is if it saves more FLOPs than could be done in the time that it takes to start the experts in use.

    Args:
        layer: the layer.
        rows: rows of the batch.
        gates: gates that a row runs with the same input.
        device: "cpu" or "cuda"; every other device counts as "cuda".
    """
    pairs = rows * layer.most(gates)
    saved = (rows * layer.experts - pairs) * _linears((layer.input, *layer.hidden))[1]
    return saved > _expert_start(device) * min(layer.experts, pairs)


def loop_pays_from(layer: LayerPlan, gates: int = 1, device: str = "cpu") -> int | None:
    """The least rows of a batch from which `loop_pays` stays true; None if a row may run every expert."""
    saved_per_row = (layer.experts - layer.most(gates)) * _linears((layer.input, *layer.hidden))[1]
    if saved_per_row == 0:
        return None
    if loop_pays(layer, 1, gates, device):
        return 1
    return int(_expert_start(device) * layer.experts / saved_per_row) + 1


def _expert_start(device: str) -> float:
    return EXPERT_START.get(device, EXPERT_START["cuda"])


def _baseline_cost(plan: Plan, baseline: BaselinePlan) -> PlanCost:
    """The cost of a baseline. A row runs only the parts of its own leaf, so the FLOPs count one leaf, not all."""
    leaves, tasks, width = baseline.leaves, len(plan.tasks.tasks), baseline.input_width(plan.width)
    features = features_cost(plan.features, leaves if baseline.architecture == "single" else 1)
    towers = (baseline.output, *plan.tasks.tower, 1)
    norm = baseline.norm != "none"

    def bottoms(copies: int, runs: int, input_width: int = width) -> Cost:
        parameters, flops = _linears((input_width, *baseline.hidden))
        return _unselected(copies * (parameters + 2 * norm * sum(baseline.hidden)), runs * flops)

    def linears(copies: int, runs: int, *widths: int) -> Cost:
        parameters, flops = _linears(widths)
        return _unselected(copies * parameters, runs * flops)

    towers_per_leaf_and_task = linears(leaves * tasks, tasks, *towers)
    leaf_embedding, none = _unselected(leaves * baseline.embed, 0), _unselected(0, 0)
    match baseline.architecture:
        case "shared_bottom":
            return PlanCost({"bottom": bottoms(1, 1)}, towers_per_leaf_and_task, features)
        case "esmm":
            parts = {"leaf embedding": leaf_embedding, "bottoms": bottoms(tasks, tasks, width + baseline.embed)}
            return PlanCost(parts, linears(tasks, tasks, *towers), features)
        case "mmoe":
            experts, gates = baseline.experts, linears(leaves * tasks, tasks, width, baseline.experts)
            return PlanCost({"experts": bottoms(experts, experts), "gates": gates}, towers_per_leaf_and_task, features)
        case "ple":
            specific, shared = tasks * baseline.specific, baseline.shared
            layers = {}
            for depth in range(baseline.repeat):
                input_width = baseline.output if depth else width
                layer = bottoms(leaves * specific + shared, specific + shared, input_width)
                layer += linears(leaves * tasks, tasks, input_width, baseline.specific + shared)
                if depth + 1 < baseline.repeat:  # the gate of the shared experts, for the layer above
                    layer += linears(leaves, 1, input_width, specific) + linears(1, 1, input_width, shared)
                layers[f"layer {depth + 1}"] = layer
            return PlanCost(layers, towers_per_leaf_and_task, features)
        case "star":
            # STAR has one shared copy of its normalisation, bottom and towers, and one for each leaf.
            parts = {
                "normalisation": _unselected((1 + leaves) * 2 * width, 0),
                "bottom": linears(1 + leaves, 1, width, *baseline.hidden),
                "auxiliary": leaf_embedding + linears(1, 1, width + baseline.embed, *baseline.auxiliary, tasks),
            }
            return PlanCost(parts, linears((1 + leaves) * tasks, tasks, *towers), features)
        case "single":
            return PlanCost({"bottoms": bottoms(leaves, 1)}, towers_per_leaf_and_task, features)
        case "adatt":
            specific, shared = baseline.specific, baseline.shared
            native = leaves * tasks * specific * (specific > 1)
            everyone, layers = tasks * specific + shared, {}
            for depth in range(baseline.repeat):
                input_width = baseline.output if depth else width
                layer = bottoms(everyone, everyone, input_width) + _unselected(native, 0)
                layer += linears(leaves * tasks, tasks, input_width, everyone)
                if depth + 1 < baseline.repeat:  # the fusion of the shared unit, for the layer above
                    layer += linears(1, 1, input_width, everyone) + _unselected(shared * (shared > 1), 0)
                layers[f"layer {depth + 1}"] = layer
            return PlanCost(layers, towers_per_leaf_and_task, features)
        case "aitm":
            following = sum(task.after is not None for task in plan.tasks.tasks)
            # Of equal widths: what is passed on, and three projections of each of two vectors.
            transfers = linears(4 * following, 7 * following, baseline.output, baseline.output)
            parts = {"bottoms": bottoms(tasks, tasks)} | ({"transfers": transfers} if following else {})
            return PlanCost(parts, towers_per_leaf_and_task, features)
        case "cross_stitch":
            units = len(baseline.hidden) * leaves * tasks**2 * (tasks > 1)
            parts = {"bottoms": bottoms(tasks, tasks) + _unselected(units, 0)}
            return PlanCost(parts, towers_per_leaf_and_task, features)
        case "hinet":
            extracted, experts = baseline.extracted_parts * baseline.output, tasks * baseline.specific + baseline.shared
            parts = {"scenario experts": none}
            for networks, count in ((1, baseline.shared), (leaves, baseline.specific)):
                parts["scenario experts"] += bottoms(networks * count, networks * count)
                parts["scenario experts"] += linears(networks, networks, width, count) if count > 1 else none
            if leaves > 1:
                parts["attention"] = leaf_embedding + linears(1, 1, baseline.embed, leaves)
            parts["task experts"] = bottoms(experts, experts, extracted)
            parts["gates"] = linears(leaves * tasks, tasks, extracted, baseline.specific + baseline.shared)
            return PlanCost(parts, towers_per_leaf_and_task, features)
        case "m3oe":
            first, common, experts = baseline.hidden[0], baseline.shared, baseline.shared + leaves + tasks
            weights = leaves * (leaves > 1) + tasks * (tasks > 1) + 2 * leaves * tasks
            parts = {
                "domain representation": linears(2 + leaves, 2, width, first) + _unselected(2 * norm * first, 0),
                "experts": bottoms(experts, experts, first),
                "gates": linears(leaves * tasks, tasks, first, common) if common > 1 else none,
                "fusion": _unselected(weights, 0),
            }
            return PlanCost(parts, towers_per_leaf_and_task, features)
        case "pepnet":
            prior, tower = (width + baseline.embed, *baseline.auxiliary), plan.tasks.tower
            gates = linears(1, 1, *prior)
            parts = {"embedding gate": leaf_embedding + gates + linears(1, 1, prior[-1], width)}
            parts["bottoms"] = bottoms(tasks, tasks)
            for number, after in enumerate((*baseline.hidden, *tower), start=1):
                parts[f"gate {number}"] = gates + linears(tasks, tasks, prior[-1], after)
            return PlanCost(parts, towers_per_leaf_and_task, features)
        case _:
            raise ValueError(f"no architecture {baseline.architecture!r}")


def _unselected(parameters: int, flops: int) -> Cost:
    """The cost of a part without expert selection: all of it always runs."""
    return Cost(parameters, flops, flops)


def _linears(widths: tuple[int, ...]) -> tuple[int, int]:
    """Parameters and FLOPs per row of a chain of Linears, with bias, of these widths."""
    parameters = sum((before + 1) * after for before, after in pairwise(widths))
    return parameters, sum(2 * before * after for before, after in pairwise(widths))
