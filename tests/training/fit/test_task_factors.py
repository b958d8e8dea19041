"""`weights`: GradNorm, DWA and FAMO, each against a twin in plain Python, written from its paper. Axes: T tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.aes import Noise
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.fit.combine import gradients
from aesm_dsl.training.fit.gradient_weighting import gradient_weighting
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.fit.task_factors import DwaFactors, FamoFactors, GradNormFactors
from aesm_dsl.training.run.checkpoint import Checkpoints
from aesm_dsl.training.train import new_network
from tests.layers.plans import FUNNEL, LAYER, TRAINING, make_batch, make_plan, stir

ZEROS_T = torch.zeros(3, dtype=torch.float64)


class PlainAdam:
    """Adam of one list of numbers, as its paper has it."""

    def __init__(self, count: int, rate: float, decay: float = 0.0) -> None:
        self.first, self.second, self.steps, self.rate, self.decay = [0.0] * count, [0.0] * count, 0, rate, decay

    def step(self, values: list[float], gradient: list[float]) -> list[float]:
        self.steps += 1
        changed = []
        for place, (value, slope) in enumerate(zip(values, gradient, strict=True)):
            slope += self.decay * value
            self.first[place] = 0.9 * self.first[place] + 0.1 * slope
            self.second[place] = 0.999 * self.second[place] + 0.001 * slope**2
            mean, square = self.first[place] / (1 - 0.9**self.steps), self.second[place] / (1 - 0.999**self.steps)
            changed.append(value - self.rate * mean / (math.sqrt(square) + 1e-8))
        return changed


def numbers(seed: int, steps: int) -> list[list[float]]:
    """Losses or lengths of three tasks; the second has no label in every third step."""
    drawn = np.random.default_rng(seed).uniform(0.2, 2.0, (steps, 3))
    drawn[2::3, 1] = 0.0
    return drawn.tolist()


def test_gradnorm_is_algorithm_1() -> None:
    factors, adam = GradNormFactors(ZEROS_T, 1.5, 0.025), PlainAdam(3, 0.025)
    w, first = [1.0] * 3, [0.0] * 3
    for loss_T, slope_T in zip(numbers(0, 12), numbers(1, 12), strict=True):
        assert factors.of_batch(torch.tensor(loss_T, dtype=torch.float64)).tolist() == pytest.approx(w)
        size = [weight * slope for weight, slope in zip(w, slope_T, strict=True)]
        factors.learn(torch.tensor(loss_T, dtype=torch.float64), torch.tensor(size, dtype=torch.float64), None)
        present = [t for t in range(3) if loss_T[t] > 0]
        first = [known or now for known, now in zip(first, loss_T, strict=True)]
        pace = {t: loss_T[t] / first[t] for t in present}
        rate = {t: pace[t] / (sum(pace.values()) / len(present)) for t in present}
        mean = sum(size[t] for t in present) / len(present)
        slopes = [0.0] * 3
        for t in present:
            slopes[t] = math.copysign(1, size[t] - mean * rate[t] ** 1.5) * slope_T[t]
        stepped = adam.step(w, slopes)
        w = [stepped[t] if t in present else w[t] for t in range(3)]
        w = [3 * one / sum(w) for one in w]
    assert max(w) - min(w) > 0.1, "the factors have moved"


def test_gradnorm_makes_gradients_alike() -> None:
    """Losses whose gradients are 1, 5 and 25 long come to count as the inverse of that."""
    factors = GradNormFactors(ZEROS_T, 0.0, 0.025)
    slope_T, loss_T = torch.tensor([1.0, 5.0, 25.0], dtype=torch.float64), torch.ones_like(ZEROS_T)
    for _ in range(600):
        factors.learn(loss_T, factors.of_batch(loss_T) * slope_T, None)
    size_T = factors.factor_T * slope_T
    torch.testing.assert_close(size_T, size_T.mean().expand(3), rtol=0.3, atol=0.0)
    assert (factors.factor_T > 0).all()


def test_dwa_looks_at_the_two_epochs_before() -> None:
    factors, means = DwaFactors(ZEROS_T, 2.0), []
    for epoch in range(4):
        losses = numbers(epoch, 5)
        for loss_T in losses:
            factors.of_batch(torch.tensor(loss_T))
            factors.learn(torch.tensor(loss_T), None, None)
        factors.end_epoch()
        labelled = [[loss_T[t] for loss_T in losses if loss_T[t] > 0] for t in range(3)]
        means.append([sum(of_task) / len(of_task) for of_task in labelled])
        if epoch == 0:
            assert factors.factor_T.tolist() == [1.0] * 3
            continue
        raised = [math.exp(now / before / 2.0) for now, before in zip(means[-1], means[-2], strict=True)]
        assert factors.factor_T.tolist() == pytest.approx([3 * one / sum(raised) for one in raised])
    factors.end_epoch()
    assert factors.factor_T.tolist() == pytest.approx([1.0] * 3), "an epoch without any label"


def test_famo_is_its_algorithm() -> None:
    factors, adam, xi = FamoFactors(ZEROS_T, 0.025, 0.01), PlainAdam(3, 0.025, 0.01), [0.0] * 3
    for loss_T, later_T in zip(numbers(0, 12), numbers(1, 12), strict=True):
        present = [t for t in range(3) if loss_T[t] > 0]
        z = {t: math.exp(xi[t]) / sum(math.exp(xi[s]) for s in present) for t in present}
        c = 1 / sum(z[t] / loss_T[t] for t in present)
        found = factors.of_batch(torch.tensor(loss_T, dtype=torch.float64)).tolist()
        assert [found[t] for t in present] == pytest.approx([len(present) * c * z[t] / loss_T[t] for t in present])
        factors.learn(torch.tensor(loss_T).double(), None, torch.tensor(later_T).double())
        fall = {t: math.log(loss_T[t]) - math.log(later_T[t]) for t in present}
        slopes = [0.0] * 3
        for t in present:
            slopes[t] = sum(z[s] * ((s == t) - z[t]) * fall[s] for s in present)
        stepped = adam.step(xi, slopes)
        xi = [stepped[t] if t in present else xi[t] for t in range(3)]
        assert factors.logit_T.tolist() == pytest.approx(xi)
    assert max(xi) - min(xi) > 0.05, "the logits have moved"


@pytest.mark.parametrize("factors", [GradNormFactors(ZEROS_T, 1.5, 0.025), FamoFactors(ZEROS_T, 0.025, 0.01)])
def test_a_batch_without_any_label_changes_nothing(factors: Any) -> None:
    factors.learn(torch.tensor([1.0, 2, 3]).double(), torch.tensor([1.0, 2, 3]).double(), torch.ones(3).double())
    before = {name: value.clone() for name, value in factors.state_dict().items() if name != "optimizer"}
    assert factors.of_batch(ZEROS_T).isfinite().all()
    factors.learn(ZEROS_T, ZEROS_T, ZEROS_T)
    assert all(torch.equal(value, factors.state_dict()[name]) for name, value in before.items())


def plan_with(dropout: float = 0.0, **training: Any) -> Plan:
    tasks = tuple(replace(task, weight=weight) for task, weight in zip(FUNNEL, (1.0, 0.5, 3.0), strict=True))
    plan = make_plan(tasks=tasks, repeat=1, layer=replace(LAYER, dropout=dropout))
    return replace(plan, training=replace(TRAINING, rate=1e-2, **training))


def stepper_of(plan: Plan) -> Stepper:
    network = new_network(plan)
    stir(network)
    weighting = gradient_weighting(plan.training.combine, Findings(), lambda path: None)
    return Stepper(network, torch.device("cpu"), weighting)


def batches(plan: Plan, count: int) -> list[Batch]:
    found = [make_batch(plan, 40, seed=seed) for seed in range(count)]
    found[1].label_BT[:, 1] = torch.nan
    return found


def test_gradnorm_measures_what_tasks_share_without_their_weights() -> None:
    plan = plan_with(weights="gradnorm", noise=replace(TRAINING.noise, start=0.0))
    stepper, (batch,) = stepper_of(plan), batches(plan, 2)[:1]
    values, parameters = loss(stepper.network(batch, Noise(0.0)), batch, plan).task.values(), stepper.parameters
    parts_T = [zip(gradients(value, parameters), parameters, strict=True) for value in values]
    flat_TP = torch.stack(
        [torch.cat([(0 * one if part is None else part).flatten() for part, one in parts]) for parts in parts_T]
    )
    shared_P = (flat_TP != 0).sum(dim=0) > 1
    assert 0 < shared_P.sum() < len(shared_P)
    stepper.step(batch, 0.0)
    assert stepper.norm_T is not None
    torch.testing.assert_close(stepper.norm_T, (flat_TP * shared_P).norm(dim=1), rtol=1e-4, atol=1e-6)


def test_famo_sees_the_same_draws_after_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that changes nothing leaves the losses as they were, with dropout, noise and statistics of batch norm."""
    plan = plan_with(dropout=0.5, weights="famo")
    plan = replace(plan, levels=tuple(_batch_norm(level) for level in plan.levels))
    stepper, other = stepper_of(plan), stepper_of(replace(plan, training=replace(plan.training, weights="fixed")))
    seen: list[list[torch.Tensor]] = []
    assert stepper.factors is not None
    monkeypatch.setattr(stepper.factors, "learn", lambda now, norm, later: seen.append([now, later]))
    states = []
    for one in (stepper, other):
        for group in one.groups:
            group["params"] = []
        torch.manual_seed(4)
        one.step(batches(plan, 2)[0], 0.0)
        states.append([torch.get_rng_state(), one.noise.get_state(), *one.network.buffers()])
    ((now, later),) = seen
    torch.testing.assert_close(later, now, rtol=0.0, atol=0.0)
    assert all(torch.equal(*pair) for pair in zip(*states, strict=True))


def _batch_norm(level: Any) -> Any:
    return replace(level, layers=tuple(replace(layer, norm="batch") for layer in level.layers))


@pytest.mark.parametrize(
    "training",
    [{"weights": "gradnorm"}, {"weights": "dwa"}, {"weights": "famo"}, {"combine": "gradvac", "weights": "gradnorm"}],
    ids=str,
)
def test_a_training_goes_on_from_its_state_bit_for_bit(tmp_path: Path, training: dict[str, Any]) -> None:
    plan = plan_with(dropout=0.2, **training)
    given = batches(plan, 6)

    def go(stepper: Stepper, part: list[Batch]) -> list[torch.Tensor]:
        losses = [stepper.step(batch, 0.1) for batch in part]
        if stepper.factors is not None:
            stepper.factors.end_epoch()
        return losses

    torch.manual_seed(2)
    whole = stepper_of(plan)
    go(whole, given[:2])
    go(whole, given[2:4])
    Checkpoints(tmp_path).save(4, whole.state_dict(), None)
    expected = go(whole, given[4:])
    torch.manual_seed(3)
    again = stepper_of(plan)
    again.load_state_dict(Checkpoints(tmp_path).of(4).state)
    assert all(torch.equal(*pair) for pair in zip(go(again, given[4:]), expected, strict=True))
    assert all(torch.equal(*pair) for pair in zip(again.parameters, whole.parameters, strict=True))
    assert again.loss_factors() == whole.loss_factors()
    assert len(set(again.loss_factors().values())) == 3, "the factors have moved"
