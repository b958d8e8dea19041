"""Every baseline for one row, in plain loops over floats: its paper's equations, one expert and one task at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from aesm_dsl.layers.baselines.network import BaselineNetwork
from tests.layers.baselines.loops import Vector, layer_norm, linear, mix, mlp, sigmoid, silu, softmax, tower


def logits(network: BaselineNetwork, ids: list[int], leaf: int, moments: tuple[Vector, Vector] | None = None) -> Vector:
    """The logits of the tasks for one row.

    moments  mean and variance that STAR normalises the row by
    """
    state = {name: value.tolist() for name, value in network.state_dict().items()}
    x = _features(network, state, ids, leaf)
    if "leaf.weight" in state:
        x = [*x, *state["leaf.weight"][leaf]]
    architecture = network.plan.baseline.architecture
    if architecture == "star":
        return _star(network, state, x, leaf, moments)
    bodies: dict[str, Callable[..., Vector]] = {
        "mmoe": _mmoe,
        "ple": _ple,
        "pepnet": _pepnet,
        "adatt": _adatt,
        "aitm": _aitm,
        "hinet": _hinet,
        "m3oe": _m3oe,
        "cross_stitch": _cross_stitch,
    }
    return bodies.get(architecture, _plain)(network, state, x, leaf)


def _features(network: BaselineNetwork, state: dict[str, Any], ids: list[int], leaf: int) -> Vector:
    owner = leaf if network.plan.baseline.architecture == "single" else 0
    features = network.plan.features
    widths = sorted({one.width for one in features})
    x: Vector = []
    for place, (one, id) in enumerate(zip(features, ids, strict=True)):
        above = sum(other.rows for other in features[:place] if other.width == one.width)
        x += state[f"embeddings.{owner}.tables.{widths.index(one.width)}.weight"][above + id]
    return x


def _plain(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    architecture = network.plan.baseline.architecture
    found = []
    for task in range(len(network.plan.tasks.tasks)):
        if architecture == "esmm":
            h = mlp(network, state, "body.bottom", 0, task, [*x, *state["body.leaf.weight"][leaf]])
        else:
            h = mlp(network, state, "body.bottom", leaf if architecture == "single" else 0, 0, x)
        found.append(tower(network, state, 0 if architecture == "esmm" else leaf, task, h))
    return found


def _mmoe(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    experts = [mlp(network, state, "body.experts", 0, e, x) for e in range(network.plan.baseline.experts)]
    found = []
    for task in range(len(network.plan.tasks.tasks)):
        gate = softmax(linear(state, "body.gates", leaf, task, x))
        found.append(tower(network, state, leaf, task, mix(gate, experts)))
    return found


def _ple(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    baseline, tasks = network.plan.baseline, len(network.plan.tasks.tasks)
    own, shared = [x] * tasks, x
    for depth in range(baseline.repeat):
        layer = f"body.layers.{depth}"
        specific = [
            [mlp(network, state, f"{layer}.specific", leaf, task * baseline.specific + s, own[task])
             for s in range(baseline.specific)]
            for task in range(tasks)
        ]  # fmt: skip
        common = [mlp(network, state, f"{layer}.shared", 0, k, shared) for k in range(baseline.shared)]
        mixed = []
        for task in range(tasks):
            gate = softmax(linear(state, f"{layer}.gates", leaf, task, own[task]))
            mixed.append(mix(gate, [*specific[task], *common]))
        if depth + 1 < baseline.repeat:
            of_leaf = linear(state, f"{layer}.gate_specific", leaf, 0, shared)
            of_all = linear(state, f"{layer}.gate_shared", 0, 0, shared)
            everyone = [expert for of_task in specific for expert in of_task] + common
            shared = mix(softmax([*of_leaf, *of_all]), everyone)
        own = mixed
    return [tower(network, state, leaf, task, own[task]) for task in range(tasks)]


def _star(
    network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int, moments: tuple[Vector, Vector] | None
) -> Vector:
    assert moments is not None
    z = []
    for d, value in enumerate(x):
        scale = state["body.norm.scale_D"][d] * state["body.norm.scale_LD"][leaf][d]
        shift = state["body.norm.shift_D"][d] + state["body.norm.shift_LD"][leaf][d]
        z.append(scale * (value - moments[0][d]) / math.sqrt(moments[1][d] + 1e-5) + shift)
    h = z
    for depth in range(len(network.plan.baseline.hidden)):
        h = [silu(v) for v in _star_linear(state, f"body.bottom.{depth}", leaf, 0, h)]
    told = mlp(network, state, "body.auxiliary", 0, 0, [*x, *state["body.leaf.weight"][leaf]], norm=False)
    auxiliary = linear(state, "body.auxiliary_head", 0, 0, told)
    found = []
    for task in range(len(network.plan.tasks.tasks)):
        t = h
        for depth in range(len(network.plan.tasks.tower)):
            t = [max(v, 0.0) for v in _star_linear(state, f"body.towers.{depth}", leaf, task, t)]
        found.append(_star_linear(state, "body.head", leaf, task, t)[0] + auxiliary[task])
    return found


def _star_linear(state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector) -> Vector:
    weight, bias = state[f"{name}.shared.weight_LGDH"][0][copy], state[f"{name}.shared.bias_LGH"][0][copy]
    factor, more = state[f"{name}.factor_LGDH"][leaf][copy], state[f"{name}.bias_LGH"][leaf][copy]
    return [
        sum(h[d] * weight[d][k] * factor[d][k] for d in range(len(h))) + bias[k] + more[k] for k in range(len(bias))
    ]


def _pepnet(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    plan, of_leaf = network.plan, state["body.leaf.weight"][leaf]
    o = [delta * v for delta, v in zip(_gate_unit(state, "body.embedding_gate", 0, [*of_leaf, *x]), x, strict=True)]
    found = []
    for task in range(len(plan.tasks.tasks)):
        h, below = o, len(plan.baseline.hidden)
        for depth in range(below + len(plan.tasks.tower)):
            layer = f"body.layers.{depth}"
            if depth < below:
                h = mlp(network, state, layer, 0, task, h)
            else:
                h = [max(v, 0.0) for v in linear(state, f"{layer}.linears.0", leaf, task, h)]
            delta = _gate_unit(state, f"body.gates.{depth}", task, [*of_leaf, *o])
            h = [a * v for a, v in zip(delta, h, strict=True)]
        found.append(linear(state, "body.head", leaf, task, h)[0])
    return found


def _gate_unit(state: dict[str, Any], name: str, copy: int, prior: Vector) -> Vector:
    hidden = [max(v, 0.0) for v in linear(state, f"{name}.hidden.linears.0", 0, 0, prior)]
    return [2 * sigmoid(v) for v in linear(state, f"{name}.output", 0, copy, hidden)]


def _adatt(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    baseline, tasks = network.plan.baseline, len(network.plan.tasks.tasks)
    own, shared = [x] * tasks, x
    for depth in range(baseline.repeat):
        layer = f"body.layers.{depth}"
        specific = [
            [mlp(network, state, f"{layer}.specific", 0, task * baseline.specific + s, own[task])
             for s in range(baseline.specific)]
            for task in range(tasks)
        ]  # fmt: skip
        common = [mlp(network, state, f"{layer}.shared", 0, k, shared) for k in range(baseline.shared)]
        everyone = [expert for of_task in specific for expert in of_task] + common
        fused = []
        for task in range(tasks):
            all_experts = mix(softmax(linear(state, f"{layer}.gates", leaf, task, own[task])), everyone)
            native = _native(state, f"{layer}.native", leaf, task, specific[task])
            fused.append([a + b for a, b in zip(all_experts, native, strict=True)])
        if depth + 1 < baseline.repeat:
            all_experts = mix(softmax(linear(state, f"{layer}.shared_gate", 0, 0, shared)), everyone)
            native = _native(state, f"{layer}.shared_native", 0, 0, common)
            shared = [a + b for a, b in zip(all_experts, native, strict=True)]
        own = fused
    return [tower(network, state, leaf, task, own[task]) for task in range(tasks)]


def _native(state: dict[str, Any], name: str, leaf: int, unit: int, experts: list[Vector]) -> Vector:
    return experts[0] if len(experts) == 1 else mix(state[f"{name}.weight_LGS"][leaf][unit], experts)


def _aitm(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    tasks = network.plan.tasks.tasks
    z: dict[int, Vector] = {}
    while len(z) < len(tasks):
        for task, one in enumerate(tasks):
            if task in z or (one.after is not None and one.after not in z):
                continue
            q = mlp(network, state, "body.bottoms", 0, task, x)
            if one.after is None:
                z[task] = q
                continue
            name = f"body.transfers.{task}"
            p = [silu(v) for v in linear(state, f"{name}.passed.linears.0", 0, 0, z[one.after])]
            value, key, query = ([linear(state, f"{name}.projections", 0, k, u) for u in (p, q)] for k in range(3))
            scores = [sum(a * b for a, b in zip(key[u], query[u], strict=True)) / math.sqrt(len(q)) for u in range(2)]
            z[task] = mix(softmax(scores), value)
    return [tower(network, state, leaf, task, z[task]) for task in range(len(tasks))]


def _hinet(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    baseline, tasks = network.plan.baseline, len(network.plan.tasks.tasks)
    (g,) = _sub_experts(network, state, "body.scenario.shared", x, (1, baseline.shared))
    s = _sub_experts(network, state, "body.scenario.specific", x, (baseline.leaves, baseline.specific))
    c = [*g, *s[leaf]]
    if baseline.leaves > 1:
        others = [m for m in range(baseline.leaves) if m != leaf]
        logits_of_leaves = linear(state, "body.scenario.attention", 0, 0, state["body.scenario.leaf.weight"][leaf])
        c += mix(softmax([logits_of_leaves[m] for m in others]), [s[m] for m in others])
    common = [mlp(network, state, "body.shared", 0, k, c) for k in range(baseline.shared)]
    found = []
    for task in range(tasks):
        first = task * baseline.specific
        own = [mlp(network, state, "body.specific", 0, first + e, c) for e in range(baseline.specific)]
        gate = softmax(linear(state, "body.gates", leaf, task, c))
        found.append(tower(network, state, leaf, task, mix(gate, [*own, *common])))
    return found


def _sub_experts(
    network: BaselineNetwork, state: dict[str, Any], name: str, x: Vector, counts: tuple[int, int]
) -> list[Vector]:
    found, (networks, count) = [], counts
    for n in range(networks):
        experts = [mlp(network, state, f"{name}.experts", 0, n * count + e, x) for e in range(count)]
        found.append(experts[0] if count == 1 else mix(softmax(linear(state, f"{name}.gates", 0, n, x)), experts))
    return found


def _m3oe(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    baseline, tasks = network.plan.baseline, len(network.plan.tasks.tasks)
    name = "body.representation"
    h = _star_linear(state, f"{name}.star", leaf, 0, x)
    if baseline.norm == "layer":
        h = layer_norm(state, f"{name}.norm", 0, 0, h)
    z = [silu(a) + b for a, b in zip(h, linear(state, f"{name}.skip", 0, 0, x), strict=True)]
    common = [mlp(network, state, "body.common", 0, k, z) for k in range(baseline.shared)]
    of_leaves = [mlp(network, state, "body.domain", 0, m, z) for m in range(baseline.leaves)]
    of_tasks = [mlp(network, state, "body.task", 0, t, z) for t in range(tasks)]
    domain = of_leaves[0]
    if baseline.leaves > 1:
        domain = _own_and_others(of_leaves, leaf, state["body.domain_share_L1"][leaf][0])
    found = []
    for task in range(tasks):
        own = of_tasks[0] if tasks == 1 else _own_and_others(of_tasks, task, state["body.task_share_T"][task])
        shared = common[0]
        if baseline.shared > 1:
            shared = mix(softmax(linear(state, "body.gates", leaf, task, z)), common)
        b, c = (sigmoid(state["body.balance_LGT"][leaf][level][task]) for level in range(2))
        found.append(tower(network, state, leaf, task, mix([1, b, c], [shared, domain, own])))
    return found


def _own_and_others(experts: list[Vector], own: int, logit: float) -> Vector:
    share = sigmoid(logit)
    return mix([share if e == own else (1 - share) / (len(experts) - 1) for e in range(len(experts))], experts)


def _cross_stitch(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    tasks = range(len(network.plan.tasks.tasks))
    h = [x for _ in tasks]
    for depth in range(len(network.plan.baseline.hidden)):
        h = [mlp(network, state, f"body.layers.{depth}", 0, task, h[task]) for task in tasks]
        if len(tasks) > 1:
            h = [mix(state[f"body.units.{depth}.weight_LTU"][leaf][task], h) for task in tasks]
    return [tower(network, state, leaf, task, h[task]) for task in tasks]
