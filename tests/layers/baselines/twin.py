"""Every baseline for one row, in plain loops over floats: its paper's equations, one expert and one task at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from aesm_dsl.layers.baselines.network import BaselineNetwork

Vector = list[float]


def logits(network: BaselineNetwork, ids: list[int], leaf: int, moments: tuple[Vector, Vector] | None = None) -> Vector:
    """The logits of the tasks for one row.

    moments  mean and variance that STAR normalises the row by
    """
    state = {name: value.tolist() for name, value in network.state_dict().items()}
    x = _features(network, state, ids, leaf)
    architecture = network.plan.baseline.architecture
    body: Callable[..., Vector] = {"mmoe": _mmoe, "ple": _ple, "star": _star}.get(architecture, _plain)
    return body(network, state, x, leaf, moments) if architecture == "star" else body(network, state, x, leaf)


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
            h = _mlp(network, state, "body.bottom", 0, task, [*x, *state["body.leaf.weight"][leaf]])
        else:
            h = _mlp(network, state, "body.bottom", leaf if architecture == "single" else 0, 0, x)
        found.append(_tower(network, state, 0 if architecture == "esmm" else leaf, task, h))
    return found


def _mmoe(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    experts = [_mlp(network, state, "body.experts", 0, e, x) for e in range(network.plan.baseline.experts)]
    found = []
    for task in range(len(network.plan.tasks.tasks)):
        gate = _softmax(_linear(state, "body.gates", leaf, task, x))
        found.append(_tower(network, state, leaf, task, _mix(gate, experts)))
    return found


def _ple(network: BaselineNetwork, state: dict[str, Any], x: Vector, leaf: int) -> Vector:
    baseline, tasks = network.plan.baseline, len(network.plan.tasks.tasks)
    own, shared = [x] * tasks, x
    for depth in range(baseline.repeat):
        layer = f"body.layers.{depth}"
        specific = [
            [_mlp(network, state, f"{layer}.specific", leaf, task * baseline.specific + s, own[task])
             for s in range(baseline.specific)]
            for task in range(tasks)
        ]  # fmt: skip
        common = [_mlp(network, state, f"{layer}.shared", 0, k, shared) for k in range(baseline.shared)]
        mixed = []
        for task in range(tasks):
            gate = _softmax(_linear(state, f"{layer}.gates", leaf, task, own[task]))
            mixed.append(_mix(gate, [*specific[task], *common]))
        if depth + 1 < baseline.repeat:
            of_leaf = _linear(state, f"{layer}.gate_specific", leaf, 0, shared)
            of_all = _linear(state, f"{layer}.gate_shared", 0, 0, shared)
            everyone = [expert for of_task in specific for expert in of_task] + common
            shared = _mix(_softmax([*of_leaf, *of_all]), everyone)
        own = mixed
    return [_tower(network, state, leaf, task, own[task]) for task in range(tasks)]


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
        h = [_silu(v) for v in _star_linear(state, f"body.bottom.{depth}", leaf, 0, h)]
    told = _mlp(network, state, "body.auxiliary", 0, 0, [*x, *state["body.leaf.weight"][leaf]], norm=False)
    auxiliary = _linear(state, "body.auxiliary_head", 0, 0, told)
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


def _mlp(
    network: BaselineNetwork, state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector, *, norm: bool = True
) -> Vector:
    depth = 0
    while f"{name}.linears.{depth}.weight_LGDH" in state:
        h = _linear(state, f"{name}.linears.{depth}", leaf, copy, h)
        if norm and network.plan.baseline.norm == "layer":
            mean = sum(h) / len(h)
            variance = sum((v - mean) ** 2 for v in h) / len(h)
            scale = state[f"{name}.norms.{depth}.scale_LGH"][leaf][copy]
            shift = state[f"{name}.norms.{depth}.shift_LGH"][leaf][copy]
            h = [(v - mean) / math.sqrt(variance + 1e-5) * a + b for v, a, b in zip(h, scale, shift, strict=True)]
        h = [_silu(v) for v in h]
        depth += 1
    return h


def _tower(network: BaselineNetwork, state: dict[str, Any], leaf: int, task: int, h: Vector) -> float:
    for depth in range(len(network.plan.tasks.tower)):
        h = [max(v, 0.0) for v in _linear(state, f"body.towers.hidden.linears.{depth}", leaf, task, h)]
    return _linear(state, "body.towers.head", leaf, task, h)[0]


def _linear(state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector) -> Vector:
    weight, bias = state[f"{name}.weight_LGDH"][leaf][copy], state[f"{name}.bias_LGH"][leaf][copy]
    return [sum(h[d] * weight[d][k] for d in range(len(h))) + bias[k] for k in range(len(bias))]


def _mix(weight: Vector, outputs: list[Vector]) -> Vector:
    assert len(weight) == len(outputs)
    return [sum(w * one[f] for w, one in zip(weight, outputs, strict=True)) for f in range(len(outputs[0]))]


def _softmax(values: Vector) -> Vector:
    top = max(values)
    raised = [math.exp(v - top) for v in values]
    return [v / sum(raised) for v in raised]


def _silu(v: float) -> float:
    return v / (1 + math.exp(-v))
