from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.layers.selection import LossSums
from aesm_dsl.layers.tower import funnel
from aesm_dsl.plan.plan import Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan
from aesm_dsl.training.fit.loss import cross_entropy, loss

NAN = math.nan
NOISE = NoisePlan("constant", 0.0, 1.0, False)
TRAINING = TrainingPlan("adam", 1e-3, 0.0, "constant", 4, 1.0, None, None, NOISE, 0.1, 0.2, 1)
TASKS = (
    TaskPlan("click", "click", "click", "as is", None, None, 2.0),
    TaskPlan("purchase", "purchase", "purchase", "as is", None, 0, 3.0),
)
COUNTS = torch.tensor([2.0, 4.0, 3.0])
"""Of the one layer that is predicted with: L_sp 5, L_sh 7, L_balance 1.5."""
PLAN = Plan("p", "p", (), (), TaskLevelPlan(TASKS, 1, (), (), "relu", 0.0), TRAINING, None)


def predict(logits_TB: Tensor) -> Prediction:
    yes, no = funnel(logits_TB.unbind(0), (None, 0))
    by_name = [dict(zip(("click", "purchase"), values, strict=True)) for values in (logits_TB, yes, no)]
    return Prediction(*by_name, {}, (LossSums(torch.tensor(10.0), torch.tensor(28.0), torch.tensor([4.5]), COUNTS),))


def batch(label_BT: list[list[float]], weight_B: list[float] | None = None) -> Batch:
    rows = len(label_BT)
    empty = torch.zeros(rows, 0, dtype=torch.int64)
    return Batch(empty, empty, empty, torch.tensor(label_BT), torch.tensor(weight_B or [1.0] * rows))


def logits(rows: int = 4) -> Tensor:
    return torch.randn(2, rows, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_is_binary_cross_entropy_over_the_entire_space() -> None:
    logits_TB = logits()
    labels = [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    weights = [1.0, 2.0, 0.0, 0.5]
    seen = loss(predict(logits_TB), batch(labels, weights), PLAN)
    label_BT, weight_B = torch.tensor(labels), torch.tensor(weights)
    click, given_click = logits_TB.sigmoid()
    for name, p_B, t in (("click", click, 0), ("purchase", click * given_click, 1)):
        row_B = functional.binary_cross_entropy(p_B, label_BT[:, t], reduction="none")
        torch.testing.assert_close(seen.task[name], (weight_B * row_B).sum() / weight_B.sum())
    expected = 2 * seen.task["click"] + 3 * seen.task["purchase"] + 0.1 * 5 + 0.2 * 7
    torch.testing.assert_close(seen.total, expected)
    assert (seen.specific.item(), seen.shared.item(), seen.balance.item()) == (5.0, 7.0, 1.5)
    even = replace(PLAN, training=replace(TRAINING, balance=0.3))
    torch.testing.assert_close(loss(predict(logits_TB), batch(labels, weights), even).total, expected + 0.3 * 1.5)


def test_a_missing_label_is_not_a_negative() -> None:
    logits_TB = logits()
    seen = loss(predict(logits_TB), batch([[1.0, NAN], [NAN, 0.0], [0.0, NAN], [NAN, 1.0]]), PLAN)
    only_BT = batch([[1.0, 0.0], [0.0, 1.0]])
    clicks = loss(predict(logits_TB[:, [0, 2]]), only_BT, PLAN).task["click"]
    purchases = loss(predict(logits_TB[:, [1, 3]]), only_BT, PLAN).task["purchase"]
    torch.testing.assert_close(seen.task["click"], clicks)
    torch.testing.assert_close(seen.task["purchase"], purchases)
    (grad_TB,) = torch.autograd.grad(seen.task["click"], logits_TB)
    assert (grad_TB != 0).tolist() == [[True, False, True, False], [False] * 4]


@pytest.mark.parametrize("labels", [[[1.0, NAN], [0.0, NAN]], [[NAN, NAN], [NAN, NAN]], []])
def test_without_a_labelled_row_a_task_is_exactly_zero(labels: list[list[float]]) -> None:
    logits_TB = logits(len(labels))
    seen = loss(predict(logits_TB), batch(labels) if labels else nothing(), PLAN)
    assert seen.task["purchase"].item() == 0
    (grad_TB,) = torch.autograd.grad(seen.task["purchase"], logits_TB, retain_graph=True)
    assert (grad_TB == 0).all()
    (grad_TB,) = torch.autograd.grad(seen.total, logits_TB)
    assert grad_TB.isfinite().all()


def nothing() -> Batch:
    empty = torch.zeros(0, 0, dtype=torch.int64)
    return Batch(empty, empty, empty, torch.zeros(0, 2), torch.zeros(0))


def test_rows_without_weight_teach_nothing() -> None:
    logits_TB = logits(2)
    seen = loss(predict(logits_TB), batch([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.0]), PLAN)
    assert seen.task["click"].item() == 0
    (grad_TB,) = torch.autograd.grad(seen.total, logits_TB)
    assert (grad_TB == 0).all()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_extreme_logits_give_finite_losses_and_gradients(label: float) -> None:
    logits_TB = torch.tensor([[1e3, 1e3, -1e3, -1e3], [1e3, -1e3, 1e3, -1e3]], requires_grad=True)
    seen = loss(predict(logits_TB), batch([[label, label]] * 4), PLAN)
    assert seen.total.isfinite()
    (grad_TB,) = torch.autograd.grad(seen.total, logits_TB)
    assert grad_TB.isfinite().all()
    assert grad_TB.any()


def test_gradients() -> None:
    label_B, weight_B = torch.tensor([1.0, 0.0, NAN]), torch.tensor([1.0, 0.5, 2.0])

    def run(logits_TB: Tensor) -> tuple[Tensor, ...]:
        yes, no = funnel(logits_TB.unbind(0), (None, 0))
        return cross_entropy(yes[1], no[1], label_B, weight_B), cross_entropy(yes[0], no[0], label_B, weight_B)

    assert torch.autograd.gradcheck(run, (logits(3).detach().double().requires_grad_(),))


def test_uncertainty_weighs_each_task_by_its_learnt_variance() -> None:
    logits_TB, log_variance_T = logits(), torch.tensor([0.4, -0.7], requires_grad=True)
    seen = loss(predict(logits_TB), batch([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), PLAN, log_variance_T)
    for name, weight, s in (("click", 2, 0.4), ("purchase", 3, -0.7)):
        expected = math.exp(-s) * weight * seen.task[name].item() + s / 2
        assert seen.weighted[name].item() == pytest.approx(expected, rel=1e-6)
    (grad_T,) = torch.autograd.grad(seen.total, log_variance_T, retain_graph=True)
    values = torch.tensor([2 * seen.task["click"].item(), 3 * seen.task["purchase"].item()])
    torch.testing.assert_close(grad_T, 0.5 - (-log_variance_T.detach()).exp() * values)
    best_T = (2 * values).log().requires_grad_()
    at_best = loss(predict(logits_TB), batch([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), PLAN, best_T)
    (grad_T,) = torch.autograd.grad(at_best.total, best_T)
    torch.testing.assert_close(grad_T, torch.zeros(2), atol=1e-6, rtol=0)


def test_a_batch_without_labels_says_nothing_about_uncertainty() -> None:
    logits_TB, log_variance_T = logits(2), torch.tensor([0.4, -0.7], requires_grad=True)
    seen = loss(predict(logits_TB), batch([[1.0, NAN], [0.0, NAN]]), PLAN, log_variance_T)
    grads = torch.autograd.grad(seen.total, [logits_TB, log_variance_T])
    assert seen.weighted["purchase"].item() == 0
    assert grads[1][0] != 0
    assert grads[1][1] == 0
    assert all(grad.isfinite().all() for grad in grads)
