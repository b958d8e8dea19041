"""What is known in training only: added to the logits there, in plain loops, and nowhere else."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.layers.shallow_tower import ShallowTower
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from tests.layers.baselines.plans import BASELINES, make_baseline, visit
from tests.layers.plans import feature, make_plan

SHOWN = (
    feature("position", 6, 3),
    FeaturePlan("shown", "shown", "query", "value", 0, 2, slots=0, values=1, scale="none"),
)


def plan_of(architecture: str) -> Plan:
    plan = make_plan() if architecture == "aes" else make_baseline(architecture)
    return replace(plan, training_features=SHOWN)


def network_of(plan: Plan) -> AnyNetwork:
    """With a tower that has learnt something."""
    torch.manual_seed(0)
    network, chance = build_network(plan), torch.Generator().manual_seed(3)
    tower = network.shallow_tower
    for weight in (tower.weight_TD, tower.weight_LTD) if isinstance(tower, ShallowTower) else ():
        weight.data.normal_(std=2.0, generator=chance)
    return network


def batch_of(plan: Plan, rows: int) -> Batch:
    batch = visit(plan, rows)
    return replace(batch, value_BV=torch.randn(rows, 1, generator=torch.Generator().manual_seed(1)))


def in_loops(tower: ShallowTower, plan: Plan, batch: Batch, logit: dict[str, torch.Tensor]) -> list[list[float]]:
    """a_BT row by row; c is found by halving."""
    state = {name: one.tolist() for name, one in tower.state_dict().items()}
    table, slope, start = (state[f"embedding.{name}"] for name in ("tables.0.weight", "numbers.slope", "numbers.start"))
    leaves = [plan.leaves.index(tuple(nodes)) for nodes in batch.node_BL.tolist()]
    weight = batch.weight_B.tolist()
    added = [[0.0] * len(logit) for _ in leaves]
    for t, logit_B in enumerate(logit.values()):
        own = []
        for row, leaf in enumerate(leaves):
            number = float(batch.value_BV[row, 0])
            scaled = [s * number + b for s, b in zip(slope, start, strict=True)]
            vector = table[int(batch.ids_BS[row, plan.slots])] + scaled
            own.append(
                sum((state["weight_TD"][t][d] + state["weight_LTD"][leaf][t][d]) * v for d, v in enumerate(vector))
            )
        for leaf in set(leaves):
            rows = [row for row, its_leaf in enumerate(leaves) if its_leaf == leaf]
            low, high = -20.0, 20.0
            while high - low > 1e-9:
                middle = (low + high) / 2
                excess = sum(
                    weight[row] * (sigmoid(float(logit_B[row]) + own[row] - middle) - sigmoid(float(logit_B[row])))
                    for row in rows
                )
                low, high = (middle, high) if excess > 0 else (low, middle)
            for row in rows:
                added[row][t] = own[row] - low
    return added


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize("architecture", ["aes", *BASELINES])
def test_training_adds_to_the_logits_what_loops_add(architecture: str) -> None:
    plan = plan_of(architecture)
    network, batch = network_of(plan).train(), batch_of(plan, 40)
    other = copy.deepcopy(network)  # STAR's statistics move with every batch
    with torch.no_grad():
        with_it = network(batch).logit
        tower, other.shallow_tower = other.shallow_tower, None
        assert isinstance(tower, ShallowTower)
        without = other(batch).logit
        expected = torch.tensor(in_loops(tower, plan, batch, without))
    assert expected.std(dim=0).min() > 0.05
    for task, name in enumerate(with_it):
        torch.testing.assert_close(with_it[name] - without[name], expected[:, task], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["aes", "star"])
def test_outside_training_nothing_is_added_and_nothing_needed(architecture: str) -> None:
    plan = plan_of(architecture)
    network, batch = network_of(plan), batch_of(plan, 40)
    network.train()(batch)
    network.eval()
    served = replace(batch, ids_BS=batch.ids_BS[:, : plan.slots], value_BV=batch.value_BV[:, : plan.values])
    assert served.ids_BS.shape[1] < batch.ids_BS.shape[1]
    plain = build_network(replace(plan, training_features=()))
    weights = {name: one for name, one in network.state_dict().items() if not name.startswith("shallow_tower.")}
    plain.load_state_dict(weights)
    expected = plain.eval()(served).probability
    other = replace(batch, ids_BS=torch.cat([served.ids_BS, 5 - batch.ids_BS[:, plan.slots :]], dim=1))
    for given in (batch, served, other):
        for name, probability_B in network(given).probability.items():
            assert torch.equal(probability_B, expected[name])


@pytest.mark.parametrize("architecture", ["aes", "mmoe"])
def test_the_rest_of_the_network_starts_as_without_it(architecture: str) -> None:
    plan = plan_of(architecture)
    torch.manual_seed(4)
    plain = build_network(replace(plan, training_features=())).state_dict()
    torch.manual_seed(4)
    states = build_network(plan).state_dict()
    assert all(torch.equal(states[name], one) for name, one in plain.items())
    assert {name.split(".")[0] for name in states.keys() - plain.keys()} == {"shallow_tower"}


def test_each_leaf_has_the_same_mean_probability_with_and_without() -> None:
    plan = plan_of("aes")
    network, batch = network_of(plan).train(), batch_of(plan, 600)
    tower = network.shallow_tower
    assert isinstance(tower, ShallowTower)
    logit_BT = 3 * torch.randn(600, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        a_BT, leaf_B = tower(batch, logit_BT), tower.leaves.leaf(batch.node_BL)
    assert a_BT.std() > 0.3
    for leaf in range(tower.leaves.count):
        weight_B1 = batch.weight_B[leaf_B == leaf].unsqueeze(1)
        both = [
            (weight_B1 * one[leaf_B == leaf].sigmoid()).sum(0) / weight_B1.sum() for one in (logit_BT, logit_BT + a_BT)
        ]
        torch.testing.assert_close(*both, atol=1e-5, rtol=0)


def test_a_leaf_of_one_row_gets_nothing() -> None:
    plan = plan_of("aes")
    network, batch = network_of(plan).train(), batch_of(plan, 1)
    tower = network.shallow_tower
    assert isinstance(tower, ShallowTower)
    a_BT = tower(batch, torch.randn(1, 3))
    torch.testing.assert_close(a_BT, torch.zeros(1, 3), atol=1e-5, rtol=0)
