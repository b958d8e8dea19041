"""What lies below the experts, against its papers' equations in plain loops; the same in every architecture."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.bottom import Bottom
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.bottom import BottomPlan
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import UNKNOWN, Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.spec.baseline import ARCHITECTURES
from tests.layers.baselines.plans import LEVELS, make_baseline
from tests.layers.plans import FEATURES, make_batch, make_plan

Vector = list[float]

DATE = replace(FEATURES[0], name="shown", width=6, slots=2, kind="date", parts=("hour", "weekday"))
BOTTOMS = {
    "scenario": BottomPlan("scenario", hidden=5),
    "senet": BottomPlan("senet", reduction=1),
    "dcn_v2": BottomPlan(interaction="dcn_v2", layers=3, rank=2),
    "fm": BottomPlan(interaction="fm", factors=4),
    "gate and fm": BottomPlan("scenario", hidden=3, interaction="fm", factors=3),
}


def with_bottom(name: str, architecture: str = "aes") -> Plan:
    plan = make_plan(LEVELS) if architecture == "aes" else make_baseline(architecture)
    return replace(plan, bottom=BOTTOMS[name]).with_rows({one.name: one.rows for one in plan.features})


def of_many_fields(name: str) -> Plan:
    """A plan with a date, whose parts are fields, and with unknown nodes."""
    plan = with_bottom(name)
    levels = (replace(plan.levels[0], unknown=True), *plan.levels[1:])
    return replace(plan, features=(FEATURES[0], FEATURES[1], DATE, FEATURES[2]), levels=levels)


def drawn(bottom: Bottom) -> Bottom:
    """With every parameter drawn: a gate starts at 1."""
    torch.manual_seed(0)
    for parameter in bottom.parameters():
        parameter.data.normal_()
    return bottom.double()


def twin(plan: Plan, state: dict[str, Any], x: Vector, nodes: list[int]) -> Vector:
    """The input of the experts for one row."""
    fields: list[Vector] = []
    for feature in plan.features:
        for _ in range(feature.slots):
            width = feature.width // feature.slots
            fields.append(x[sum(map(len, fields)) :][:width])
    bottom = plan.bottom
    if bottom.gate == "scenario":
        told: Vector = []
        for level, node in enumerate(nodes):
            told += state[f"gate.nodes.nodes.{level}.weight"][node]  # the last row, if it is unknown
        factor = _factor(state, [*told, *x])
        x = [a * v for a, v in zip(factor, x, strict=True)]
    if bottom.gate == "senet":
        factor = _factor(state, [sum(field) / len(field) for field in fields])
        x = [a * v for a, field in zip(factor, fields, strict=True) for v in field]
    if bottom.interaction == "dcn_v2":
        first = x
        for depth in range(bottom.layers):
            small = [
                sum(a * v for a, v in zip(row, x, strict=True)) for row in state[f"interaction.down.{depth}.weight"]
            ]
            crossed = _linear(state, f"interaction.up.{depth}", small)
            x = [a * v + own for a, v, own in zip(first, crossed, x, strict=True)]
    if bottom.interaction == "fm":
        x = [*x, *_products(plan, state, x)]
    return x


def _products(plan: Plan, state: dict[str, Any], x: Vector) -> Vector:
    """The products of all pairs, one pair after the other."""
    factors, seen = plan.bottom.factors, dict[int, int]()
    vectors, start = [], 0
    for feature in plan.features:
        for _ in range(feature.slots):
            width = feature.width // feature.slots
            field, start = x[start : start + width], start + width
            if width != factors:
                matrix = state[f"interaction.matrices.{width}"][seen.get(width, 0)]
                field = [sum(v * matrix[w][k] for w, v in enumerate(field)) for k in range(factors)]
            seen[width] = seen.get(width, 0) + 1
            vectors.append(field)
    return [sum(v[k] * w[k] for v, w in combinations(vectors, 2)) for k in range(factors)]


def _factor(state: dict[str, Any], z: Vector) -> Vector:
    hidden = [max(v, 0.0) for v in _linear(state, "gate.factor.0", z)]
    return [2 / (1 + math.exp(-v)) for v in _linear(state, "gate.factor.2", hidden)]


def _linear(state: dict[str, Any], name: str, x: Vector) -> Vector:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def rows_of(plan: Plan) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    node_BL = make_batch(plan, 6).node_BL
    node_BL[0, 0] = UNKNOWN
    return torch.randn(6, sum(one.width for one in plan.features), dtype=torch.float64), node_BL


@pytest.mark.parametrize("name", BOTTOMS)
def test_equals_the_papers_equations(name: str) -> None:
    plan = of_many_fields(name)
    bottom = drawn(Bottom(plan, BOTTOMS[name]))
    x_BD, node_BL = rows_of(plan)
    state = {key: value.tolist() for key, value in bottom.state_dict().items()}
    expected = [twin(plan, state, x, nodes) for x, nodes in zip(x_BD.tolist(), node_BL.tolist(), strict=True)]
    torch.testing.assert_close(bottom(x_BD, node_BL), torch.tensor(expected, dtype=torch.float64))
    assert bottom(x_BD[:0], node_BL[:0]).shape == (0, plan.width)


@pytest.mark.parametrize("name", ["scenario", "senet"])
def test_a_gate_starts_at_one(name: str) -> None:
    plan = of_many_fields(name)
    x_BD, node_BL = rows_of(plan)
    torch.testing.assert_close(Bottom(plan, BOTTOMS[name]).double()(x_BD, node_BL), x_BD)


def test_the_gate_of_the_nodes_does_not_move_what_it_sees() -> None:
    """The features' vectors learn from what the gate lets through, not from what it decides by them."""
    plan = of_many_fields("scenario")
    bottom = drawn(Bottom(plan, BOTTOMS["scenario"]))
    x_BD, node_BL = rows_of(plan)
    x_BD.requires_grad_()
    y_BD = bottom(x_BD, node_BL)
    y_BD.sum().backward()
    torch.testing.assert_close(x_BD.grad, (y_BD / x_BD).detach())
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in bottom.parameters())


@pytest.mark.parametrize("name", BOTTOMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_it(architecture: str, name: str) -> None:
    """It is counted, is learnt, and costs an AES network and a baseline the same."""
    plan = with_bottom(name, architecture)
    network = build_network(plan)
    copies = plan.leaf_count if architecture == "single" else 1
    parameters = sum(one.numel() for one in network.parameters())
    assert cost(plan).total.parameters + copies * embedding_parameters(plan) == parameters
    assert cost(plan).bottom.parameters == copies * cost(with_bottom(name)).bottom.parameters
    assert cost(plan).bottom.selected == cost(with_bottom(name)).bottom.selected
    batch = make_batch(plan, 80)
    batch = replace(batch, node_BL=torch.tensor(plan.leaves)[torch.arange(80) % len(plan.leaves)])
    for _ in range(2):  # the first step moves the last layer of the gate away from 0
        loss = -sum(value.sum() for value in network(batch).log_probability.values())
        network.zero_grad()
        loss.backward()
        for one in parameters_of_bottoms(network):
            one.data -= 0.1 * one.grad
    assert all(one.grad.abs().sum() > 0 for one in parameters_of_bottoms(network) if one.dim() > 1)


def parameters_of_bottoms(network: AnyNetwork) -> list[torch.nn.Parameter]:
    return [one for module in network.modules() if isinstance(module, Bottom) for one in module.parameters()]


def test_without_a_bottom_nothing_changes() -> None:
    plan = make_plan()
    assert "bottom" not in plan.to_json()
    assert not any("bottom" in key for key in Network(plan).state_dict())
    assert Plan.from_json(with_bottom("senet").to_json()) == with_bottom("senet")
