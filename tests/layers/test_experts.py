from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from aesm_dsl.layers.experts import Experts
from tests.layers.plans import LAYER


def as_modules(experts: Experts, e: int) -> nn.Sequential:
    """Expert e as torch's own modules."""
    parts: list[nn.Module] = []
    for block in experts.blocks:
        linear = nn.Linear(block.weight_EDH.shape[1], block.weight_EDH.shape[2]).double()
        linear.weight.data = block.weight_EDH[e].T
        linear.bias.data = block.bias_EH[e]
        norm = nn.LayerNorm(block.weight_EDH.shape[2]).double()
        norm.weight.data, norm.bias.data = block.scale_EH[e], block.shift_EH[e]
        parts += [linear, norm, nn.SiLU()]
    return nn.Sequential(*parts)


def test_is_the_weighted_sum_of_separate_networks() -> None:
    experts = Experts(LAYER).double()
    for parameter in experts.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    x_BD, weight_BGE = torch.randn(4, 6).double(), torch.rand(4, 3, 5).double()
    out_EBF = torch.stack([as_modules(experts, e)(x_BD) for e in range(5)])
    expected = torch.stack([(weight_BGE[:, g].T.unsqueeze(2) * out_EBF).sum(0) for g in range(3)], dim=1)
    torch.testing.assert_close(experts(x_BD, weight_BGE), expected, rtol=0, atol=1e-12)


def test_each_expert_starts_on_its_own_and_as_a_linear_does() -> None:
    torch.manual_seed(0)
    experts = Experts(replace(LAYER, experts=8, input=100, hidden=(50,)))
    (block,) = experts.blocks
    flat_EK = torch.cat([block.weight_EDH.flatten(1), block.bias_EH], dim=1)
    for one in range(8):
        for other in range(one):
            assert not torch.isclose(flat_EK[one], flat_EK[other], atol=1e-4).all()
            assert abs(torch.corrcoef(flat_EK[[one, other]])[0, 1]) < 0.1
    linear = nn.Linear(100, 50)
    for e in range(8):
        assert block.weight_EDH[e].std().item() == pytest.approx(linear.weight.std().item(), rel=0.05)
        assert block.weight_EDH[e].abs().max() <= 0.1
        assert 0.05 < block.bias_EH[e].abs().max() <= 0.1


def test_unselected_experts_get_no_gradient() -> None:
    experts = Experts(LAYER)
    weight_BGE = torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0]).expand(4, 1, 5)
    experts(torch.randn(4, 6), weight_BGE).square().sum().backward()
    for parameter in experts.parameters():
        assert parameter.grad is not None
        used = parameter.grad.flatten(1).abs().sum(1) > 0
        assert used.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_gradients(norm: str) -> None:
    torch.manual_seed(0)
    experts = Experts(replace(LAYER, experts=2, hidden=(3, 2), norm=norm, input=3)).double()
    x_BD = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    weight_BGE = torch.rand(2, 2, 2, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in experts.named_parameters()]

    def run(x, weight, *values):  # type: ignore[no-untyped-def]
        return torch.func.functional_call(experts, dict(zip(names, values, strict=True)), (x, weight))

    assert torch.autograd.gradcheck(run, (x_BD, weight_BGE, *experts.parameters()))


def test_dropout_is_off_in_eval() -> None:
    experts = Experts(replace(LAYER, dropout=0.5))
    x_BD, weight_BGE = torch.randn(4, 6), torch.rand(4, 1, 5)
    assert not torch.equal(experts(x_BD, weight_BGE), experts(x_BD, weight_BGE))
    experts.eval()
    assert torch.equal(experts(x_BD, weight_BGE), experts(x_BD, weight_BGE))


def batch_normed(experts: Experts, x_BD: torch.Tensor, weight_BGE: torch.Tensor) -> torch.Tensor:
    """y_BGF with every expert as torch's own modules, on the rows alone that have a weight for it."""
    y_BGF = torch.zeros(*weight_BGE.shape[:2], experts.blocks[-1].weight_EDH.shape[2], dtype=x_BD.dtype)
    for e in range(weight_BGE.shape[2]):
        rows = (weight_BGE[:, :, e] != 0).any(dim=1).nonzero().flatten()
        h = x_BD[rows]
        for block in experts.blocks:
            norm = nn.BatchNorm1d(block.weight_EDH.shape[2]).double()
            norm.weight.data, norm.bias.data = block.scale_EH[e], block.shift_EH[e]
            h = nn.functional.silu(norm(h @ block.weight_EDH[e] + block.bias_EH[e]))
        y_BGF[rows] += weight_BGE[rows, :, e].unsqueeze(2) * h.unsqueeze(1)
    return y_BGF


def test_batch_norm_averages_over_the_rows_that_run_the_expert() -> None:
    torch.manual_seed(0)
    experts = Experts(replace(LAYER, norm="batch")).double()
    for parameter in experts.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    x_BD, weight_BGE = torch.randn(12, 6).double(), torch.rand(12, 2, 5).double()
    weight_BGE[torch.rand(weight_BGE.shape) < 0.7] = 0
    assert 1 < (weight_BGE != 0).any(1).sum(0).min() < 12
    expected = batch_normed(experts, x_BD, weight_BGE)
    torch.testing.assert_close(experts(x_BD, weight_BGE), expected, rtol=0, atol=1e-12)


def test_batch_norm_runs_on_what_it_has_seen() -> None:
    torch.manual_seed(0)
    experts = Experts(replace(LAYER, norm="batch", hidden=(4,)))
    (block,) = experts.blocks
    modules = [nn.BatchNorm1d(4) for _ in range(5)]
    for step in range(3):
        x_BD, weight_BGE = torch.randn(10, 6), torch.ones(10, 1, 5)
        weight_BGE[:, :, 3] = 0  # nobody runs it
        weight_BGE[1:, :, 4] = 0  # one row runs it: no variance to learn from
        weight_BGE[step:5, :, 1] = 0
        experts(x_BD, weight_BGE)
        for e in (0, 1, 2):
            rows = weight_BGE[:, 0, e] != 0
            modules[e](x_BD[rows] @ block.weight_EDH[e] + block.bias_EH[e])
    for e, module in enumerate(modules):
        torch.testing.assert_close(block.mean_EH[e], module.running_mean)
        torch.testing.assert_close(block.variance_EH[e], module.running_var)
    experts.eval()
    x_BD, only = torch.randn(7, 6), torch.eye(5)[2].expand(7, 1, 5)
    module = modules[2].eval()
    expected = nn.functional.silu(module(x_BD @ block.weight_EDH[2] + block.bias_EH[2]))
    torch.testing.assert_close(experts(x_BD, only)[:, 0], expected)
    assert "blocks.0.mean_EH" in experts.state_dict()
