from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.divergences import compare_nodes, divergences
from aesm_dsl.layers.selection import (
    ExpertChoice,
    mixture_weights,
    select_experts,
    within_budget,
)


def gates(*leading: int, nodes: int = 4, experts: int = 6, spread: float = 1.0, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return spread * torch.randn(*leading, nodes, experts, generator=draw, dtype=torch.float64)


def nodes_of(*leading: int, nodes: int = 4) -> Tensor:
    return torch.randint(nodes, leading, generator=torch.Generator().manual_seed(1))


def test_nodes_are_compared_per_expert() -> None:
    p_BNE = compare_nodes(gates(7)).exp()
    torch.testing.assert_close(p_BNE.sum(dim=1), torch.ones(7, 6, dtype=torch.float64))


def test_divergences_are_the_two_kullback_leibler_divergences() -> None:
    gates_BNE, node_B = gates(7), nodes_of(7)
    specific_BE, shared_BE = divergences(compare_nodes(gates_BNE), node_B)
    p_BNE = gates_BNE.softmax(dim=1)
    for row, node in enumerate(node_B.tolist()):
        for e in range(6):
            q = p_BNE[row, :, e].tolist()
            onehot = sum(p * math.log(p / q[n]) for n, p in enumerate([float(k == node) for k in range(4)]) if p)
            uniform = sum(0.25 * math.log(0.25 / one) for one in q)
            assert specific_BE[row, e].item() == pytest.approx(onehot, abs=1e-12)
            assert shared_BE[row, e].item() == pytest.approx(uniform, abs=1e-12)


def test_divergences_are_finite_in_float32_for_logits_of_spread_1000() -> None:
    gates_BNE = gates(500, spread=1e3).float().requires_grad_()
    choice = select_experts(gates_BNE, nodes_of(500), 2, 2)
    assert choice.specific_divergence.isfinite().all()
    assert choice.shared_divergence.isfinite().all()
    specific_loss, shared_loss = choice.loss_sums().losses()[:2]
    (specific_loss + shared_loss).backward()
    assert gates_BNE.grad is not None
    assert gates_BNE.grad.isfinite().all()
    # The probability form is what fails here, so this test has something to catch.
    assert (gates_BNE.softmax(dim=1) == 0).any()


def test_ties_go_to_the_lower_expert() -> None:
    choice = select_experts(torch.zeros(3, 4, 40), nodes_of(3), 2, 3)
    assert choice.specific.nonzero()[:, 1].tolist() == [0, 1] * 3
    assert choice.shared.nonzero()[:, 1].tolist() == [0, 1, 2] * 3
    one_node = select_experts(torch.zeros(3, 1, 40), torch.zeros(3, dtype=torch.int64), 2, 3)
    assert one_node.chosen.nonzero()[:, 1].tolist() == [0, 1, 2, 3, 4] * 3


def test_one_node_takes_the_largest_gates() -> None:
    gates_BNE = torch.tensor([[[0.1, 5.0, -2.0, 4.0, 3.0, 0.0]]])
    choice = select_experts(gates_BNE, torch.tensor([0]), 2, 1)
    assert choice.specific.tolist() == [[False, True, False, True, False, False]]
    assert choice.shared.tolist() == [[False, False, False, False, True, False]]


@pytest.mark.parametrize(("specific", "shared"), [(1, 1), (2, 2), (3, 1), (1, 4), (6, 6)])
def test_as_many_experts_run_as_the_union_has(specific: int, shared: int) -> None:
    choice = select_experts(gates(300), nodes_of(300), specific, shared)
    assert (choice.specific.sum(1) == specific).all()
    assert (choice.shared.sum(1) == shared).all()
    run = choice.chosen.sum(1)
    assert run.min() >= max(specific, shared)
    assert run.max() <= min(specific + shared, 6)
    if (specific, shared) == (2, 2):
        assert set(run.tolist()) == {2, 3, 4}


def test_a_constant_on_all_gates_of_an_expert_moves_the_mixture_and_not_the_selection() -> None:
    gates_BNE, node_B = gates(200), nodes_of(200)
    shifted_BNE = gates_BNE + torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    before, after = select_experts(gates_BNE, node_B, 2, 2), select_experts(shifted_BNE, node_B, 2, 2)
    assert torch.equal(before.specific, after.specific)
    assert torch.equal(before.shared, after.shared)
    was = mixture_weights(gates_BNE, node_B, before.chosen)
    now = mixture_weights(shifted_BNE, node_B, after.chosen)
    runs_with_others = before.chosen[:, 2] & (before.chosen.sum(1) > 1)
    assert runs_with_others.any()
    assert (now[:, 2] > was[:, 2])[runs_with_others].all()


def test_weights_are_a_softmax_over_the_chosen_and_exactly_zero_elsewhere() -> None:
    gates_BNE, node_B = gates(100), nodes_of(100)
    chosen_BE = select_experts(gates_BNE, node_B, 2, 1).chosen
    weight_BE = mixture_weights(gates_BNE, node_B, chosen_BE)
    for row in range(100):
        own = gates_BNE[row, node_B[row]]
        expected = torch.zeros(6, dtype=torch.float64)
        expected[chosen_BE[row]] = own[chosen_BE[row]].softmax(0)
        torch.testing.assert_close(weight_BE[row], expected)
    assert (weight_BE[~chosen_BE] == 0).all()


def test_tasks_of_a_row_are_selected_like_rows() -> None:
    gates_BTNE, node_BT = gates(5, 3), nodes_of(5, 3)
    together = select_experts(gates_BTNE, node_BT, 2, 1)
    apart = select_experts(gates_BTNE.flatten(0, 1), node_BT.flatten(), 2, 1)
    assert torch.equal(together.chosen.flatten(0, 1), apart.chosen)
    torch.testing.assert_close(together.loss_sums().losses()[:2], apart.loss_sums().losses()[:2])
    torch.testing.assert_close(
        mixture_weights(gates_BTNE, node_BT, together.chosen).flatten(0, 1),
        mixture_weights(gates_BTNE.flatten(0, 1), node_BT.flatten(), apart.chosen),
    )


def test_gradients_of_mixture_and_losses_given_the_selection() -> None:
    gates_BNE, node_B = gates(3).requires_grad_(), nodes_of(3)
    chosen_BE = select_experts(gates_BNE, node_B, 2, 1).chosen
    assert torch.autograd.gradcheck(lambda g: mixture_weights(g, node_B, chosen_BE), (gates_BNE,))
    assert torch.autograd.gradcheck(lambda g: select_experts(g, node_B, 2, 1).loss_sums().losses()[:2], (gates_BNE,))


def test_the_losses_lead_an_expert_to_its_node_and_to_all_nodes() -> None:
    gates_BNE = torch.zeros(1, 3, 1, dtype=torch.float64, requires_grad=True)
    specific_loss, _ = select_experts(gates_BNE, torch.tensor([1]), 1, 0).loss_sums().losses()[:2]
    (downhill,) = torch.autograd.grad(-specific_loss, gates_BNE)
    assert (downhill.flatten() > 0).tolist() == [False, True, False]
    uneven = torch.tensor([[[2.0], [0.0], [0.0]]], requires_grad=True)
    _, shared_loss = select_experts(uneven, torch.tensor([1]), 0, 1).loss_sums().losses()[:2]
    (downhill,) = torch.autograd.grad(-shared_loss, uneven)
    assert (downhill.flatten() > 0).tolist() == [False, True, True]


def test_siblings_are_compared_as_if_the_level_had_no_other_nodes() -> None:
    gates_BNE, node_B = gates(200), torch.arange(200) % 2
    among_BN = torch.tensor([True, True, False, False]).expand(200, 4)
    among, apart = select_experts(gates_BNE, node_B, 2, 1, among_BN), select_experts(gates_BNE[:, :2], node_B, 2, 1)
    assert torch.equal(among.specific, apart.specific)
    assert torch.equal(among.shared, apart.shared)
    torch.testing.assert_close(among.loss_sums().losses()[:2], apart.loss_sums().losses()[:2])
    only_child = torch.nn.functional.one_hot(node_B, 4).bool()
    alone = select_experts(gates_BNE, node_B, 2, 1, only_child)
    largest_BK = gates_BNE[torch.arange(200), node_B].argsort(dim=1, descending=True)
    assert torch.equal(alone.chosen, torch.zeros(200, 6, dtype=torch.bool).scatter(1, largest_BK[:, :3], True))
    assert alone.loss_sums().losses()[0].item() == 0


def test_all_nodes_as_siblings_is_the_whole_level() -> None:
    gates_BNE, node_B = gates(200).requires_grad_(), nodes_of(200)
    among = select_experts(gates_BNE, node_B, 2, 2, torch.ones(200, 4, dtype=torch.bool))
    level = select_experts(gates_BNE, node_B, 2, 2)
    assert torch.equal(among.specific, level.specific)
    assert torch.equal(among.shared, level.shared)
    sums = (among.loss_sums(), level.loss_sums())
    (one,), (other,) = (torch.autograd.grad(sum(part.losses()[:2]), gates_BNE) for part in sums)
    torch.testing.assert_close(one, other)


def test_gradients_of_siblings_are_finite_and_stay_among_them() -> None:
    gates_BNE = gates(50, spread=1e3).requires_grad_()
    among_BN = torch.tensor([True, True, False, False]).expand(50, 4)
    choice = select_experts(gates_BNE, torch.zeros(50, dtype=torch.int64), 2, 2, among_BN)
    sum(choice.loss_sums().losses()[:2]).backward()
    assert gates_BNE.grad.isfinite().all()
    assert gates_BNE.grad[:, :2].any()
    assert not gates_BNE.grad[:, 2:].any()


@pytest.mark.parametrize("budget", [3, 4, 5, 6])
def test_a_budget_bounds_the_experts_of_a_row_and_leaves_every_task_its_best(budget: int) -> None:
    gates_BTNE, node_BT = gates(300, 3), nodes_of(300, 3)
    chosen_BTE = select_experts(gates_BTNE, node_BT, 2, 2).chosen
    weight_BTE = mixture_weights(gates_BTNE, node_BT, chosen_BTE)
    kept_B1E = within_budget(chosen_BTE, weight_BTE, budget)
    runs_BTE = chosen_BTE & kept_B1E
    assert runs_BTE.any(1).sum(1).max() <= budget
    assert (runs_BTE & (weight_BTE == weight_BTE.amax(2, keepdim=True))).any(2).all()
    fits_B = chosen_BTE.any(1).sum(1) <= budget
    assert fits_B.any()
    assert fits_B.all() == (budget == 6)
    assert torch.equal(runs_BTE[fits_B], chosen_BTE[fits_B])
    claim_BE = weight_BTE.sum(1)
    for row in (~fits_B).nonzero().flatten().tolist():
        best = weight_BTE[row].argmax(1)
        free = set(range(6)) - set(best.tolist())
        kept = {e for e in free if runs_BTE[row, :, e].any()}
        assert len(kept) + len(set(best.tolist())) == budget
        assert all(claim_BE[row, e] >= claim_BE[row, other] for e in kept for other in free - kept)


def test_a_budget_breaks_ties_for_the_lower_expert() -> None:
    weight_BTE = torch.tensor([[[0.4, 0.3, 0.3, 0.0], [0.0, 0.3, 0.3, 0.4]]])
    kept = within_budget(weight_BTE > 0, weight_BTE, 3)
    assert kept.tolist() == [[[True, True, False, True]]]


def choice(specific_BE: Tensor, score_BE: Tensor) -> ExpertChoice:
    """Only specific experts, chosen by this score."""
    nothing = torch.zeros_like(specific_BE)
    return ExpertChoice(specific_BE, nothing, -score_BE, -score_BE, score_BE, score_BE)


def test_balance_is_one_when_all_experts_are_used_alike_and_their_number_when_one_takes_all() -> None:
    alone = torch.tensor([True, False, False, False])
    taken = torch.tensor([50.0, 0.0, 0.0, 0.0])
    assert choice(alone.expand(9, 4), taken.expand(9, 4)).loss_sums().losses()[2].item() == pytest.approx(4)
    each = torch.eye(4).bool().repeat(2, 1)
    assert choice(each, torch.zeros(8, 4)).loss_sums().losses()[2].item() == pytest.approx(1)
    # Each node keeps an expert of its own, and all together use all of them: nothing to correct.
    assert choice(each, 50 * torch.eye(4).repeat(2, 1)).loss_sums().losses()[2].item() == pytest.approx(1)
    assert choice(torch.zeros(0, 4, dtype=torch.bool), torch.zeros(0, 4)).loss_sums().losses()[2].item() == 0


def test_balance_counts_rows_and_tasks_together() -> None:
    gates_BTNE, node_BT = gates(6, 3), nodes_of(6, 3)
    both = select_experts(gates_BTNE, node_BT, 2, 1).loss_sums().losses()[2]
    flat = select_experts(gates_BTNE.flatten(0, 1), node_BT.flatten(), 2, 1).loss_sums().losses()[2]
    assert both.item() == pytest.approx(flat.item(), abs=1e-12)


def test_balance_reaches_experts_that_nobody_selects() -> None:
    score_BE = torch.tensor([[2.0, 1.0, 0.0, -1.0]] * 5, requires_grad=True)
    chosen_BE = torch.tensor([[True, True, False, False]] * 5)
    (grad_BE,) = torch.autograd.grad(choice(chosen_BE, score_BE).loss_sums().losses()[2], score_BE)
    assert (grad_BE[:, :2] > 0).all()
    assert (grad_BE[:, 2:] < 0).all(), "descent raises what has a negative gradient"
