"""Rows of unknown nodes in a whole network, and what they leave as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.embedding import Context
from aesm_dsl.layers.network import Network
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import UNKNOWN, Plan
from tests.layers.plans import FEATURES, LAYER, make_batch, make_plan, stir


def unknown_plan(**changes: object) -> Plan:
    """Both levels take unknown nodes."""
    plan = make_plan(layer=replace(LAYER, shared=2, **changes))
    levels = tuple(
        replace(level, unknown=True, layers=tuple(replace(layer, unknown=True) for layer in level.layers))
        for level in plan.levels
    )
    return replace(plan, levels=levels)


def make_network(plan: Plan) -> Network:
    torch.manual_seed(0)
    network = Network(plan)
    stir(network)
    return network


def lose(batch: Batch, every: int = 3) -> tuple[Batch, Tensor]:
    """The batch with some cards unknown, some entries and some both; and the rows that are as they were."""
    node_BL = batch.node_BL.clone()
    node_BL[::every, 1] = UNKNOWN
    node_BL[:: every + 1, 0] = UNKNOWN
    return replace(batch, node_BL=node_BL), (node_BL != UNKNOWN).all(1)


def test_known_rows_do_not_notice() -> None:
    plan = unknown_plan()
    network, batch = make_network(plan).eval(), make_batch(plan, 40)
    mixed, known_B = lose(batch)
    before, after = network(batch), network(mixed)
    for name, logit_B in before.logit.items():
        assert torch.equal(after.logit[name][known_B], logit_B[known_B])
        assert not torch.isclose(after.logit[name][~known_B], logit_B[~known_B]).any()


def test_known_rows_get_what_a_network_without_unknown_nodes_gives() -> None:
    plan = unknown_plan()
    network, batch = make_network(plan), make_batch(plan, 40)
    plain = Network(make_plan(layer=replace(LAYER, shared=2)))
    state = network.state_dict()
    for index, level in enumerate(plan.levels):
        state[f"context.nodes.{index}.weight"] = state[f"context.nodes.{index}.weight"][: len(level.nodes)]
    plain.load_state_dict(state)
    mixed, known_B = lose(batch)
    expected = plain(batch).logit["purchase"]
    assert torch.equal(network(mixed).logit["purchase"][known_B], expected[known_B])


def test_unknown_rows_run_their_shared_experts_alone() -> None:
    plan = unknown_plan()
    network, batch = make_network(plan), make_batch(plan, 40)
    mixed, _ = lose(batch)
    prediction = network(mixed, Noise(1.0))
    for place, name in enumerate(("entry", "card")):
        unknown_B = mixed.node_BL[:, place] == UNKNOWN
        for chosen in prediction.selection[name]:
            assert torch.equal(chosen.node, mixed.node_BL[:, place])
            assert not chosen.specific[unknown_B].any()
            assert (chosen.shared[unknown_B].sum(1) == 2).all()
            assert (chosen.specific[~unknown_B].sum(1) == 2).all()
            assert ((chosen.weight[unknown_B] > 0) == chosen.shared[unknown_B]).all()
    tasks = prediction.selection["tasks"][0]
    assert (tasks.specific.sum(2) == 2).all(), "a task is never unknown"


def test_the_unknown_embedding_is_trained_by_unknown_rows_alone() -> None:
    plan = unknown_plan()
    network, batch = make_network(plan), make_batch(plan, 40)
    for given, learns in ((batch, False), (lose(batch)[0], True)):
        network.zero_grad()
        prediction = network(given)
        (prediction.log_probability["purchase"].sum() + prediction.shared_loss + prediction.specific_loss).backward()
        for level, table in zip(plan.levels, network.context.nodes, strict=True):
            assert table.weight.shape[0] == len(level.nodes) + 1
            assert bool(table.weight.grad[-1].any()) == learns
        assert all(one.grad is None or one.grad.isfinite().all() for one in network.parameters())


def test_a_batch_of_unknown_rows_alone() -> None:
    plan = unknown_plan()
    network, batch = make_network(plan), make_batch(plan, 5)
    lost = replace(batch, node_BL=torch.full_like(batch.node_BL, UNKNOWN))
    prediction = network(lost, Noise(1.0))
    assert prediction.logit["purchase"].isfinite().all()
    assert prediction.specific_loss.isfinite()


def test_other_levels_refuse_unknown_nodes_by_name() -> None:
    plan = make_plan()
    with pytest.raises(ValueError, match="level `entry`: node -1, expected 0 to 2"):
        Network(plan)(lose(make_batch(plan, 8))[0])
    plan = unknown_plan()
    with pytest.raises(ValueError, match="level `entry`: node -2, expected -1 to 2"):
        Context(plan.levels, plan.tasks)(torch.tensor([[-2, 0]]))


def test_a_layer_that_disagrees_with_its_level_is_refused() -> None:
    plan = make_plan()
    entry, card = plan.levels
    with pytest.raises(ValueError, match="level `card`: its layers must take unknown nodes"):
        Network(replace(plan, levels=(entry, replace(card, unknown=True))))


def test_its_cost_counts_the_unknown_embeddings() -> None:
    plan = unknown_plan()
    tables = sum(feature.rows * feature.width for feature in FEATURES)
    assert cost(plan).total.parameters == sum(one.numel() for one in Network(plan).parameters()) - tables
