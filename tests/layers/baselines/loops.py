"""What the twins of baselines are made of, in plain loops over floats: one Linear, one MLP, one tower of one leaf."""

from __future__ import annotations

import math
from typing import Any

from aesm_dsl.layers.baselines.network import BaselineNetwork

Vector = list[float]


def mlp(
    network: BaselineNetwork, state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector, *, norm: bool = True
) -> Vector:
    depth = 0
    while f"{name}.linears.{depth}.weight_LGDH" in state:
        h = linear(state, f"{name}.linears.{depth}", leaf, copy, h)
        if norm and network.plan.baseline.norm == "layer":
            h = layer_norm(state, f"{name}.norms.{depth}", leaf, copy, h)
        h = [silu(v) for v in h]
        depth += 1
    return h


def layer_norm(state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector) -> Vector:
    mean = sum(h) / len(h)
    variance = sum((v - mean) ** 2 for v in h) / len(h)
    scale, shift = state[f"{name}.scale_LGH"][leaf][copy], state[f"{name}.shift_LGH"][leaf][copy]
    return [(v - mean) / math.sqrt(variance + 1e-5) * a + b for v, a, b in zip(h, scale, shift, strict=True)]


def tower(network: BaselineNetwork, state: dict[str, Any], leaf: int, task: int, h: Vector) -> float:
    for depth in range(len(network.plan.tasks.tower)):
        h = [max(v, 0.0) for v in linear(state, f"body.towers.hidden.linears.{depth}", leaf, task, h)]
    return linear(state, "body.towers.head", leaf, task, h)[0]


def linear(state: dict[str, Any], name: str, leaf: int, copy: int, h: Vector) -> Vector:
    weight, bias = state[f"{name}.weight_LGDH"][leaf][copy], state[f"{name}.bias_LGH"][leaf][copy]
    return [sum(h[d] * weight[d][k] for d in range(len(h))) + bias[k] for k in range(len(bias))]


def mix(weight: Vector, outputs: list[Vector]) -> Vector:
    assert len(weight) == len(outputs)
    return [sum(w * one[f] for w, one in zip(weight, outputs, strict=True)) for f in range(len(outputs[0]))]


def softmax(values: Vector) -> Vector:
    top = max(values)
    raised = [math.exp(v - top) for v in values]
    return [v / sum(raised) for v in raised]


def silu(v: float) -> float:
    return v * sigmoid(v)


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))
