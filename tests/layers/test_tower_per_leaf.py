"""`tower_per = leaf`: a tower for each (leaf, task), against plain loops over rows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from aesm_dsl.layers.network import Network
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import NodePlan, Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.training.fit.loss import loss
from tests.layers.plans import make_batch, make_plan, stir


def per_leaf(unknown: bool = False) -> Plan:
    """Two levels; the last card lies under the first entry alone, so there are 3 * 3 + 1 leaves."""
    plan = make_plan()
    entry, card = plan.levels
    nodes = (*card.nodes[:-1], NodePlan("odd", "odd", ("odd",), (0,)))
    layers = tuple(replace(layer, unknown=unknown) for layer in card.layers)
    levels = (entry, replace(card, nodes=nodes, unknown=unknown, layers=layers))
    return replace(plan, levels=levels, tasks=replace(plan.tasks, tower_per="leaf"))


def network_of(plan: Plan) -> Network:
    torch.manual_seed(0)
    network = Network(plan)
    stir(network)
    return network


def batch_of(plan: Plan, rows: int = 30, unknown: bool = False):
    batch = make_batch(plan, rows)
    paths = torch.tensor(plan.leaves)
    node_BL = paths[torch.randint(len(paths), (rows,), generator=torch.Generator().manual_seed(1))]
    if unknown:
        node_BL[::4, 1] = -1
    return replace(batch, node_BL=node_BL)


def tower(state: dict, leaf: int, task: int, h: list[float]) -> float:
    """One row through the tower of one task in one leaf."""
    for name, last in (("towers.hidden.linears.0", False), ("towers.head", True)):
        weight_DH, bias_H = state[f"{name}.weight_LGDH"][leaf][task], state[f"{name}.bias_LGH"][leaf][task]
        h = [sum(h[d] * weight_DH[d][k] for d in range(len(h))) + bias_H[k] for k in range(len(bias_H))]
        h = h if last else [max(v, 0.0) for v in h]
    return h[0]


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
def test_every_row_goes_through_the_towers_of_its_leaf(unknown: bool) -> None:
    plan = per_leaf(unknown)
    network = network_of(plan).double()
    batch = batch_of(plan, unknown=unknown)
    seen: list[torch.Tensor] = []
    list(network.tasks.children())[-1].register_forward_hook(lambda _, __, out: seen.append(out[0]))
    prediction = network(batch)
    (h_BTD,) = seen
    state = {name: value.tolist() for name, value in network.state_dict().items() if name.startswith("towers")}
    assert len(plan.leaves) == 10
    for row, path in enumerate(batch.node_BL.tolist()):
        leaf = plan.leaves.index(tuple(path)) if -1 not in path else 10
        for place, name in enumerate(prediction.logit):
            expected = tower(state, leaf, place, h_BTD[row, place].tolist())
            assert prediction.logit[name][row].item() == pytest.approx(expected, abs=1e-10)


def test_a_leaf_without_rows_learns_nothing_and_the_others_do() -> None:
    plan = per_leaf()
    network, batch = network_of(plan), batch_of(plan, 200)
    kept = replace(
        batch, node_BL=torch.where((batch.node_BL[:, :1] == 2), batch.node_BL.new_tensor([0, 0]), batch.node_BL)
    )
    loss(network(kept), kept, plan).total.backward()
    visited = {plan.leaves.index(tuple(path)) for path in kept.node_BL.tolist()}
    assert 2 < len(visited) < len(plan.leaves)
    grad_LGDH = network.towers.head.weight_LGDH.grad
    assert {leaf for leaf in range(len(plan.leaves)) if grad_LGDH[leaf].any()} == visited


def test_cost_and_description_count_all_towers() -> None:
    for plan in (per_leaf(), per_leaf(unknown=True)):
        network = network_of(plan)
        tables = embedding_parameters(plan)
        total = cost(plan).total.parameters
        assert total == sum(one.numel() for one in network.parameters()) - tables
        one_each = cost(replace(plan, tasks=replace(plan.tasks, tower_per="task")))
        assert cost(plan).towers.parameters == plan.leaf_count * one_each.towers.parameters
        assert cost(plan).towers.selected == one_each.towers.selected, "a row runs the towers of its own leaf"
        assert f"for each of {plan.leaf_count} leaves" in repr(network)


def test_no_rows_and_a_row_on_no_path() -> None:
    plan = per_leaf()
    network = network_of(plan)
    assert network(batch_of(plan, 0)).probability["click"].shape == (0,)
    batch = batch_of(plan, 2)
    with pytest.raises(ValueError, match="on no path"):
        network(replace(batch, node_BL=torch.tensor([[0, 0], [1, 3]])))


def test_without_levels_there_is_one_leaf() -> None:
    plan = make_plan(levels=())
    plan = replace(plan, tasks=replace(plan.tasks, tower_per="leaf"))
    found = network_of(plan)(make_batch(plan, 5))
    assert all(math.isfinite(value) for value in found.logit["click"].tolist())
    assert cost(plan) == cost(replace(plan, tasks=replace(plan.tasks, tower_per="task")))
