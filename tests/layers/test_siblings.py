"""Which nodes are compared, from the plan's hierarchy to a network's selection."""

from __future__ import annotations

from dataclasses import replace

import torch

from aesm_dsl.layers.network import Network
from aesm_dsl.layers.siblings import Siblings
from aesm_dsl.plan.plan import Plan
from tests.layers.plans import LAYER, make_batch, make_plan, stir

UNDER = ((0,), (0, 1), (1,), (0, 1, 2))
"""Parents of the four cards; entry 2 has the last card alone."""


def sibling_plan(under: tuple[tuple[int, ...], ...] = UNDER) -> Plan:
    plan = make_plan(layer=replace(LAYER, compare="siblings"))
    entry, card = plan.levels
    nodes = tuple(replace(node, parents=parents) for node, parents in zip(card.nodes, under, strict=True))
    return replace(plan, levels=(entry, replace(card, nodes=nodes)))


def test_siblings_lie_under_the_rows_own_parent() -> None:
    _, among_BN = Siblings(sibling_plan().levels)(torch.tensor([[0, 0], [0, 3], [1, 1], [2, 3], [-1, 2], [1, 0]]))
    assert among_BN is not None
    assert [row.nonzero().flatten().tolist() for row in among_BN] == [
        [0, 1, 3],
        [0, 1, 3],
        [1, 2, 3],
        [3],
        [0, 1, 2, 3],
        [0, 1, 2, 3],  # a path that the hierarchy lacks: the row's own node is always compared
    ]


def test_where_siblings_are_the_whole_level_nothing_is_masked() -> None:
    everywhere = ((0, 1, 2),) * 4
    assert Siblings(sibling_plan(everywhere).levels)(torch.zeros(2, 2, dtype=torch.int64)) == [None, None]
    assert Siblings(make_plan().levels)(torch.zeros(2, 2, dtype=torch.int64)) == [None, None]
    assert Siblings(())(torch.zeros(2, 0, dtype=torch.int64)) == []


def test_a_network_that_compares_siblings_ignores_the_gates_of_other_nodes() -> None:
    plan = sibling_plan()
    torch.manual_seed(0)
    network = Network(plan)
    stir(network)
    batch = make_batch(plan, 60)
    parent_B = batch.node_BL[:, 0]
    node_B = torch.where(parent_B == 0, 1, torch.where(parent_B == 1, 2, 3))
    batch = replace(batch, node_BL=torch.stack([parent_B, node_B], 1))
    before = network(batch).selection["card"][0]
    card = network.levels[1][0]
    card.gate.bias.data.view(LAYER.nodes, LAYER.experts)[0] += torch.randn(LAYER.experts) * 5
    after = network(batch).selection["card"][0]
    has_card_0 = parent_B == 0
    assert torch.equal(before.chosen[~has_card_0], after.chosen[~has_card_0])
    assert not torch.equal(before.chosen[has_card_0], after.chosen[has_card_0])
    assert network.state_dict().keys() == Network(make_plan()).state_dict().keys()
