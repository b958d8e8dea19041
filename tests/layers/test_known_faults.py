"""The faults of the public code that method.md lists: one test for each, which that fault would fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from aesm_dsl.layers.aes import AESLayer, Noise
from aesm_dsl.layers.network import Network
from aesm_dsl.layers.selection import mixture_weights, select_experts
from tests.layers.plans import LAYER, make_batch, make_plan, stir


def test_a_negative_unselected_logit_does_not_win() -> None:
    gates_BNE = torch.randn(1000, 6, 8, generator=torch.Generator().manual_seed(0))
    node_B = torch.arange(1000) % 6
    choice = select_experts(gates_BNE, node_B, 2, 2)
    weight_BE = mixture_weights(gates_BNE, node_B, choice.chosen)
    assert (weight_BE[~choice.chosen] == 0).all()
    torch.testing.assert_close((weight_BE * choice.chosen).sum(1), torch.ones(1000))
    # all gates negative, the unselected most of all
    lowered = gates_BNE - 50
    torch.testing.assert_close(mixture_weights(lowered, node_B, choice.chosen), weight_BE, rtol=1e-3, atol=1e-5)


def test_an_expert_in_both_sets_counts_once() -> None:
    # Expert 0 is the most shared (its gates differ least) and the most specific (others favour node 1).
    gates_BNE = torch.tensor([[[1.0, 0.5, -3.0], [0.9, 9.0, 3.0]]])
    choice = select_experts(gates_BNE, torch.tensor([0]), 1, 2)
    assert choice.specific.tolist() == [[True, False, False]]
    assert choice.shared.tolist() == [[True, False, True]]
    weight_BE = mixture_weights(gates_BNE, torch.tensor([0]), choice.chosen)
    expected = torch.tensor([1.0, -3.0]).softmax(0)
    assert weight_BE[0].tolist() == pytest.approx([expected[0].item(), 0.0, expected[1].item()])


@pytest.mark.parametrize("experts", [4, 64])
def test_noise_does_not_grow_with_the_number_of_experts(experts: int) -> None:
    # Gates start at zero, so with all experts chosen log weights are the noise, up to a constant per row.
    layer = AESLayer(replace(LAYER, nodes=1, experts=experts, specific=experts, shared=0))
    noise = Noise(0.7, mixture=True, generator=torch.Generator().manual_seed(0))
    rows = 4000
    zero_B = torch.zeros(rows, dtype=torch.int64)
    _, selection, *_ = layer(torch.randn(rows, 6), torch.randn(rows, 3), zero_B, noise)
    log_BE = selection.weight.log()
    spread = (log_BE - log_BE.mean(1, keepdim=True)).square().sum(1) / (experts - 1)
    assert spread.mean().sqrt().item() == pytest.approx(0.7, rel=0.03)


def test_gates_do_not_look_at_the_other_rows_nor_at_the_mode() -> None:
    plan = make_plan()
    network = Network(plan)
    stir(network)
    batch = make_batch(plan, 20)
    assert not any("Norm" in type(part).__name__ and not isinstance(part, nn.LayerNorm) for part in network.modules())
    together = network(batch).logit["purchase"]
    for row in range(20):
        alone = network(type(batch)(*(part[row : row + 1] for part in batch.parts))).logit["purchase"]
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-4, atol=1e-5)
    assert torch.equal(network.eval()(batch).logit["purchase"], together)


def test_every_layer_of_every_level_owns_its_weights() -> None:
    network = Network(make_plan(repeat=2))
    layers = [part for part in network.modules() if isinstance(part, AESLayer)]
    assert len(layers) == 6
    owned = [parameter.data_ptr() for layer in layers for parameter in layer.parameters()]
    assert len(owned) == len(set(owned))
    drawn = [layer.experts.blocks[1].weight_EDH for layer in layers]
    assert not any(torch.equal(one, other) for k, one in enumerate(drawn) for other in drawn[:k])


@pytest.mark.parametrize("repeat", [2, 4])
def test_depth_over_one_runs_and_every_layer_learns(repeat: int) -> None:
    plan = make_plan(repeat=repeat)
    network = Network(plan)
    stir(network)
    prediction = network(make_batch(plan, 50))
    prediction.log_probability["purchase"].sum().backward()
    for part in network.modules():
        if isinstance(part, AESLayer):
            assert part.gate.weight.grad is not None
            assert part.gate.weight.grad.any()
            assert part.experts.blocks[0].weight_EDH.grad.any()


def test_an_expert_nobody_selects_has_no_say_and_learns_nothing() -> None:
    layer = AESLayer(replace(LAYER, experts=8))
    stir(layer)
    x_BD, context_BC, node_B = torch.randn(1, 6), torch.randn(1, 3), torch.tensor([2])
    y_BF, selection, *_ = layer(x_BD, context_BC, node_B)
    y_BF.square().sum().backward()
    (unused,) = (~selection.chosen[0]).nonzero().T
    assert len(unused) >= 5
    for parameter in layer.experts.parameters():
        assert not parameter.grad[unused].any()
        parameter.data[unused] = 1e6
    assert torch.equal(layer(x_BD, context_BC, node_B)[0], y_BF)
