from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer, Noise
from aesm_dsl.layers.network import Network
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.plan import Plan
from tests.layers.plans import LAYER, make_batch, make_plan, stir, task


def make_network(plan: Plan, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Network(plan)
    stir(network, seed)
    return network


def test_prediction_has_every_task_level_and_layer() -> None:
    plan = make_plan()
    prediction = make_network(plan)(make_batch(plan, 6))
    assert list(prediction.probability) == ["click", "cart", "purchase"]
    assert prediction.probability["purchase"].shape == (6,)
    assert {name: len(layers) for name, layers in prediction.selection.items()} == {
        "entry": 2,
        "card": 2,
        "tasks": 2,
    }
    assert prediction.selection["card"][1].weight.shape == (6, LAYER.experts)
    assert prediction.selection["tasks"][0].weight.shape == (6, 3, LAYER.experts)
    assert prediction.selection["tasks"][0].node[4].tolist() == [0, 1, 2]
    with pytest.raises(FrozenInstanceError):
        prediction.loss_sums = ()


def test_probabilities_fall_down_the_funnel_and_complement() -> None:
    plan = make_plan()
    prediction = make_network(plan)(make_batch(plan, 40))
    p = prediction.probability
    assert (p["cart"] < p["click"]).all()
    assert (p["purchase"] < p["cart"]).all()
    torch.testing.assert_close(p["cart"], p["click"] * prediction.logit["cart"].sigmoid())
    for name, log_no in prediction.log_complement.items():
        torch.testing.assert_close(p[name] + log_no.exp(), torch.ones(40))


def test_a_direct_task_has_a_tower_for_its_whole_probability() -> None:
    plan = make_plan(tasks=(task("click"), replace(task("cart", after=0), joint="direct"), task("purchase", after=1)))
    prediction = make_network(plan)(make_batch(plan, 40))
    own = {name: logit.sigmoid() for name, logit in prediction.logit.items()}
    torch.testing.assert_close(prediction.probability["cart"], own["cart"])
    torch.testing.assert_close(prediction.probability["purchase"], own["cart"] * own["purchase"])


def test_equals_its_parts_put_together_by_hand() -> None:
    plan = make_plan()
    network, batch = make_network(plan), make_batch(plan, 6)
    h = network.embedding(batch.ids_BS, batch.value_BV)
    node_BC = torch.zeros(6, 0)
    for level, node_B in enumerate(batch.node_BL.unbind(1)):
        node_BC = torch.cat([node_BC, network.context.nodes[level].weight[node_B]], 1)
        for layer in network.levels[level]:
            h = layer(h, node_BC, node_B)[0]
    logits = []
    for t in range(3):
        context_BC = torch.cat([node_BC, network.context.tasks.weight[t].expand(6, -1)], 1)
        own = h
        for layer in network.tasks:
            own = layer(own, context_BC, torch.full((6,), t))[0]
        logits.append(network.towers[t](own))
    prediction = network(batch)
    for name, logit_B in zip(prediction.logit, logits, strict=True):
        torch.testing.assert_close(prediction.logit[name], logit_B)


def test_auxiliary_losses_are_means_over_layers() -> None:
    plan = make_plan()
    network, seen = make_network(plan), []
    for layer in network.modules():
        if isinstance(layer, AESLayer):
            layer.register_forward_hook(lambda _, __, out: seen.append(torch.stack(out[2].losses())))
    prediction = network(make_batch(plan, 6))
    assert len(seen) == 6
    got = torch.stack([prediction.specific_loss, prediction.shared_loss, prediction.balance_loss])
    torch.testing.assert_close(got, torch.stack(seen).mean(0))


def same(one: Prediction, other: Prediction) -> bool:
    return all(torch.equal(one.logit[name], other.logit[name]) for name in one.logit)


def test_same_seed_same_result_and_noise_is_off_in_eval() -> None:
    plan = make_plan(layer=replace(LAYER, dropout=0.1))
    batch = make_batch(plan, 30)

    def run(seed: int, training: bool = True, noise: bool = True) -> Prediction:
        network = make_network(plan).train(training)
        torch.manual_seed(seed)
        return network(batch, Noise(2.0, generator=torch.Generator().manual_seed(seed)) if noise else None)

    assert same(run(1), run(1))
    assert not same(run(1), run(2))
    assert same(run(1, training=False), run(2, training=False))
    assert same(run(1, training=False), run(3, training=False, noise=False))


def test_float32_agrees_with_float64() -> None:
    plan = make_plan()
    network, batch = make_network(plan), make_batch(plan, 64)
    single = network(batch)
    double = network.double()(batch)
    for level, layers in single.selection.items():
        for one, other in zip(layers, double.selection[level], strict=True):
            assert torch.equal(one.chosen, other.chosen)
    for name, p_B in single.probability.items():
        assert double.probability[name].dtype == torch.float64
        torch.testing.assert_close(p_B.double(), double.probability[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(levels=()),
        make_plan(levels=(), tasks=(task("click"),)),
        make_plan(levels=(("entry", 1), ("card", 2)), tasks=(task("click"),)),
        make_plan(levels=(("entry", 1),)),
        make_plan(repeat=1),
        make_plan(repeat=3),
    ],
    ids=["tasks only", "one task only", "one node, one task", "one node", "one layer", "three layers"],
)
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_runs(plan: Plan, rows: int) -> None:
    network = make_network(plan)
    prediction = network(make_batch(plan, rows), Noise(1.0))
    assert all(p_B.shape == (rows,) and p_B.isfinite().all() for p_B in prediction.probability.values())
    assert prediction.specific_loss.isfinite()
    total = sum(log_B.sum() for log_B in prediction.log_probability.values())
    (total + prediction.specific_loss + prediction.shared_loss).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    network.eval()
    assert network(make_batch(plan, rows)).probability["click"].shape == (rows,)


def test_without_task_layers_the_towers_share_one_input() -> None:
    plan = make_plan()
    plan = replace(plan, tasks=replace(plan.tasks, layers=()))
    prediction = make_network(plan)(make_batch(plan, 5))
    assert prediction.selection["tasks"] == ()
    assert prediction.probability["cart"].shape == (5,)


def test_everything_learns() -> None:
    plan = make_plan()
    network = make_network(plan)
    prediction = network(make_batch(plan, 200))
    total = prediction.log_probability["purchase"].sum() + prediction.specific_loss + prediction.shared_loss
    total.backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def misfits() -> list[tuple[Plan, str]]:
    plan = make_plan()

    def with_card(**changes: int) -> Plan:
        entry, card = plan.levels
        layers = (card.layers[0], replace(card.layers[1], **changes))
        return replace(plan, levels=(entry, replace(card, layers=layers)))

    last = replace(plan.tasks.layers[0], context=1)
    return [
        (with_card(context=99), "level `card`, layer 2: context 99 planned, 6 given"),
        (with_card(input=99), "level `card`, layer 2: input 99 planned, 6 given"),
        (with_card(nodes=99), "level `card`, layer 2: nodes 99 planned, 4 given"),
        (
            replace(plan, tasks=replace(plan.tasks, layers=(last,))),
            "level `tasks`, layer 1: context 1 planned, 9",
        ),
        (make_plan(levels=(("tasks", 3),)), "must differ"),
        (make_plan(levels=(("entry", 3), ("entry", 2))), "must differ"),
        (make_plan(tasks=(task("click"), task("click"))), "must differ"),
        (make_plan(tasks=()), "at least one task"),
    ]


@pytest.mark.parametrize(("plan", "complaint"), misfits(), ids=lambda value: value if isinstance(value, str) else "")
def test_refuses_a_plan_that_does_not_fit_itself(plan: Plan, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Network(plan)


def test_print_says_what_was_built() -> None:
    plan = make_plan(levels=(("entry", 3),), repeat=1)
    network = Network(plan)
    count = sum(p.numel() for p in network.parameters())
    assert repr(network).splitlines() == [
        f"Network fund: {count:,} parameters",
        "  4 features -> 12",
        "  entry[0]: 3 nodes, 5 experts 12 -> 7 -> 6, 2 specific + 1 shared, context 3",
        "  tasks[0]: 3 nodes, 5 experts 6 -> 7 -> 6, 2 specific + 1 shared, context 6",
        "  tower click: 6 -> 8 -> 1",
        "  tower cart after click: 6 -> 8 -> 1",
        "  tower purchase after cart: 6 -> 8 -> 1",
    ]


class FromTensors(nn.Module):
    """Graphs take tensors only."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids_BS: Tensor, value_BV: Tensor, node_BL: Tensor) -> dict[str, Tensor]:
        return self.network(Batch(ids_BS, value_BV, node_BL, ids_BS, ids_BS)).probability


def test_exports_as_one_graph_for_any_number_of_rows() -> None:
    plan = make_plan(levels=(("entry", 3),), repeat=1)
    network = make_network(plan).eval()
    given = make_batch(plan, 8)
    any_rows = {0: torch.export.Dim("rows", min=1)}
    graph = torch.export.export(
        FromTensors(network), (given.ids_BS, given.value_BV, given.node_BL), dynamic_shapes=(any_rows,) * 3
    ).module()
    for rows in (1, 33):
        batch = make_batch(plan, rows)
        p_B = graph(batch.ids_BS, batch.value_BV, batch.node_BL)["purchase"]
        torch.testing.assert_close(p_B, network(batch).probability["purchase"])
    with pytest.raises(IndexError):
        graph(given.ids_BS + 8, given.value_BV, given.node_BL)
