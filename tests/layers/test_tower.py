from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from aesm_dsl.layers.tower import Tower, funnel

CHAIN = (None, 0, 1, 2)
"""view -> click -> cart -> purchase"""


def test_tower_is_an_mlp_to_one_logit() -> None:
    tower = Tower(5, (4, 3), "relu", 0.0)
    first, second = tower.linears
    same = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), tower.head)
    h_BD = torch.randn(7, 5)
    assert torch.equal(tower(h_BD), same(h_BD).squeeze(1))
    assert Tower(5, (), "silu", 0.0)(h_BD).shape == (7,)


def test_tower_drops_in_training_only() -> None:
    tower, h_BD = Tower(5, (64,), "relu", 0.5), torch.randn(7, 5)
    assert not torch.equal(tower(h_BD), tower(h_BD))
    tower.eval()
    assert torch.equal(tower(h_BD), tower(h_BD))


def test_funnel_equals_the_product_of_probabilities() -> None:
    logits = [2 * one for one in torch.randn(4, 50, generator=torch.Generator().manual_seed(0)).double()]
    yes, no = funnel(logits, CHAIN)
    p_B = torch.ones(50, dtype=torch.float64)
    for k in range(4):
        p_B = p_B * logits[k].sigmoid()
        torch.testing.assert_close(yes[k], p_B.log(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(no[k], (1 - p_B).log(), rtol=1e-10, atol=1e-12)


def test_tasks_may_stand_in_any_order_and_share_what_they_follow() -> None:
    a, b, c = torch.randn(3, 10).double().unbind(0)
    yes, no = funnel([c, b, a], (1, 2, None))
    straight_yes, straight_no = funnel([a, b, c], (None, 0, 1))
    assert [torch.equal(u, v) for u, v in zip(yes + no, straight_yes[::-1] + straight_no[::-1], strict=True)] == [
        True
    ] * 6
    both, _ = funnel([a, b, c], (None, 0, 0))
    torch.testing.assert_close(both[2].exp(), a.sigmoid() * c.sigmoid())


def test_alone_a_task_is_its_sigmoid() -> None:
    a = torch.randn(10)
    yes, no = funnel([a, a], (None, None))
    torch.testing.assert_close(yes[1].exp(), a.sigmoid())
    torch.testing.assert_close(no[1].exp(), (-a).sigmoid())


@pytest.mark.parametrize("after", [(0,), (1, 0), (None, 2, 1), (None, 7)])
def test_circles_are_refused(after: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="circle"):
        funnel([torch.zeros(1)] * len(after), after)


def test_complement_does_not_cancel_in_float32() -> None:
    # 1 - p is 4e-9 here, below what float32 can tell from 1: log(1 - p) by subtraction is -inf.
    logits = [torch.full((1,), 20.0)] * 2
    _, (_, no) = funnel(logits, (None, 0))
    assert no.item() == pytest.approx(math.log(2 * math.exp(-20)), rel=1e-6)
    assert (1 - torch.sigmoid(logits[0]) ** 2).item() == 0


def test_gradients_stay_finite_for_extreme_logits_in_float32() -> None:
    rows = torch.tensor(list(itertools.product([-1000.0, -90.0, 0.0, 90.0, 1000.0], repeat=4)))
    logits = [one.clone().requires_grad_() for one in rows.unbind(1)]
    yes, no = funnel(logits, CHAIN)
    for value in (*yes, *no):
        assert value.isfinite().all()
        for grad in torch.autograd.grad(value.sum(), logits, retain_graph=True, materialize_grads=True):
            assert grad.isfinite().all()
            assert grad.abs().max() <= 1 + 1e-6


def test_extreme_logits_still_teach() -> None:
    a = torch.tensor([1000.0, -1000.0], requires_grad=True)
    b = torch.tensor([1000.0, 1000.0], requires_grad=True)
    (_, yes), (_, no) = funnel([a, b], (None, 0))
    grads = torch.autograd.grad(-no[0] - yes[1], [a, b])
    # A certain purchase that did not happen is the fault of both; a hopeless click that did, of the click.
    assert grads[0].tolist() == pytest.approx([0.5, -1.0])
    assert grads[1].tolist() == pytest.approx([0.5, 0.0])


def test_gradients() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def run(stacked: Tensor) -> tuple[Tensor, ...]:
        yes, no = funnel(stacked.unbind(0), CHAIN)
        return (*yes, *no)

    assert torch.autograd.gradcheck(run, (logits,))
