"""d_sh of nearly equal gates, where the closed form cancels, against float64; and selection by it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.divergences import SERIES, compare_nodes, divergences
from aesm_dsl.layers.selection import select_experts


def gates(spread: float, rows: int = 300) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    offsets = torch.randn(rows, 1, 8, generator=draw)
    return offsets + spread * torch.randn(rows, 5, 8, generator=draw), torch.randint(5, (rows,), generator=draw)


def exact(gates_BNE: Tensor, among_BN: Tensor | None = None) -> Tensor:
    """KL(uniform || P) through the logs of probabilities, in float64, of the gates less their mean."""
    wide = gates_BNE.double()
    rows = []
    for row in range(len(wide)):
        own_NE = wide[row] if among_BN is None else wide[row][among_BN[row]]
        off_NE = own_NE - own_NE.mean(dim=0)
        rows.append(torch.log1p((torch.expm1(off_NE) - off_NE).mean(dim=0)))
    return torch.stack(rows)


@pytest.mark.parametrize("spread", [1e-4, 1e-3, 1e-2, SERIES / 3, SERIES, 0.3, 3.0])
@pytest.mark.parametrize("siblings", [False, True])
def test_shared_divergence_is_that_of_float64(spread: float, siblings: bool) -> None:
    gates_BNE, node_B = gates(spread)
    among_BN = (torch.arange(5) < 3).expand(300, 5) if siblings else None
    node_B = node_B % 3 if siblings else node_B
    found_BE = divergences(compare_nodes(gates_BNE, among_BN), node_B, among_BN)[1].double()
    expected_BE = exact(gates_BNE, among_BN)
    # Gates around 1 are themselves known to 1e-7, so d_sh, about half the square of their spread, is to 1e-7 * spread.
    accuracy = 4e-7 * (spread if spread < SERIES / 3 else 1)
    torch.testing.assert_close(found_BE, expected_BE, rtol=1e-6, atol=accuracy)


def test_nearly_equal_gates_select_what_float64_selects() -> None:
    gates_BNE, node_B = gates(2e-3)
    expected_BK = exact(gates_BNE).argsort(dim=1)[:, :2].sort(dim=1).values
    chosen_BK = select_experts(gates_BNE, node_B, 2, 2).shared.nonzero()[:, 1].view(-1, 2)
    assert (chosen_BK == expected_BK).all(dim=1).double().mean() > 0.97


def test_the_gradient_is_that_of_the_divergence() -> None:
    for spread in (1e-3, 0.02, 2.0):
        gates_BNE = gates(spread, rows=4)[0].double().requires_grad_()
        divergences(compare_nodes(gates_BNE), torch.zeros(4, dtype=torch.int64))[1].sum().backward()
        assert gates_BNE.grad is not None
        expected_BNE = gates_BNE.detach().softmax(dim=1) - 1 / 5
        torch.testing.assert_close(gates_BNE.grad, expected_BNE, rtol=1e-6, atol=1e-12)


def test_an_unknown_node_without_others_to_compare_takes_the_largest_gates() -> None:
    gates_BNE = torch.tensor([[[0.1, 5.0, -2.0, 4.0, 3.0, 0.0]]] * 2)
    node_B = torch.tensor([0, -1])
    one = select_experts(gates_BNE, node_B, 2, 2, unknown=True)
    assert [row.nonzero().flatten().tolist() for row in one.specific] == [[1, 3], []]
    assert [row.nonzero().flatten().tolist() for row in one.shared] == [[0, 4], [1, 3]]
    among_BN = torch.tensor([[True, False]] * 2)
    child = select_experts(torch.cat([gates_BNE, 9 - gates_BNE], dim=1), node_B, 2, 2, among_BN, unknown=True)
    assert [row.nonzero().flatten().tolist() for row in child.shared] == [[0, 4], [1, 3]]
    assert math.isfinite(float(child.shared_divergence.sum()))
