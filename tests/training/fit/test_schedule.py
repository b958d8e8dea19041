"""Learning rates beside torch, clipping beside a plain norm, averages beside a loop, and all of it in a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from aesm_dsl import train
from aesm_dsl.layers.network import Network
from aesm_dsl.training.fit.average import WeightAverage
from aesm_dsl.training.fit.optimizer import clip, optimizers
from aesm_dsl.training.fit.schedule import factor
from aesm_dsl.training.run.folder import Run
from tests.layers.plans import TRAINING, make_plan
from tests.training.run.test_resume import SMALL, same, spec, stopped  # noqa: F401

STEPS = 50


def rates(schedule: str, warmup: float) -> list[float]:
    training = replace(TRAINING, schedule=schedule, warmup=warmup)
    return [factor(training, step / STEPS) for step in range(STEPS + 1)]


def torch_rates(make: type, **given: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = make(optimizer, **given)
    found = []
    for _ in range(STEPS + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_one_cycle_is_that_of_torch() -> None:
    # torch counts its share in steps from 1: this one ends its rise where a share of 0.3 is over.
    share = (0.3 * STEPS + 1) / (STEPS + 1)
    given = {"max_lr": 1.0, "total_steps": STEPS + 1, "pct_start": share, "cycle_momentum": False}
    expected = torch_rates(torch.optim.lr_scheduler.OneCycleLR, **given)
    assert rates("one_cycle", 0.3) == pytest.approx(expected, rel=1e-9)


def test_cosine_is_that_of_torch() -> None:
    expected = torch_rates(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=STEPS)
    assert rates("cosine", 0.0) == pytest.approx(expected, abs=1e-12)


def test_a_rise_in_a_straight_line() -> None:
    for schedule in ("cosine", "constant", "plateau"):
        found = rates(schedule, 0.2)
        assert found[:11] == pytest.approx([step / 10 for step in range(11)])
    assert rates("constant", 0.2)[10:] == [1.0] * 41


def test_gradients_are_clipped_together_sparse_ones_too() -> None:
    torch.manual_seed(0)
    linear, table = nn.Linear(3, 2), nn.Embedding(9, 3, sparse=True)
    parameters = [*linear.parameters(), table.weight]
    linear(table(torch.tensor([1, 4, 1]))).square().sum().backward()
    before = [one.grad.to_dense().clone() for one in parameters]
    norm = torch.cat([one.flatten() for one in before]).norm()
    clip(parameters, 2 * float(norm))
    assert all(torch.equal(one.grad.to_dense(), old) for one, old in zip(parameters, before, strict=True))
    clip(parameters, 0.25 * float(norm))
    for one, old in zip(parameters, before, strict=True):
        torch.testing.assert_close(one.grad.to_dense(), old / 4)


def test_the_average_is_that_of_a_loop() -> None:
    torch.manual_seed(0)
    network = Network(make_plan())
    average, expected = WeightAverage(network, 0.9), dict(network.state_dict())
    for step in range(30):
        with torch.no_grad():
            for one in network.parameters():
                one.add_(torch.randn_like(one))
        average.update_parameters(network)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = {name: decay * expected[name] + (1 - decay) * one for name, one in network.state_dict().items()}
    for name, one in average.module.state_dict().items():
        torch.testing.assert_close(one, expected[name])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adagrad"])
def test_embedding_tables_have_a_weight_decay_of_their_own(optimizer: str) -> None:
    training = replace(TRAINING, optimizer=optimizer, weight_decay=0.1, embeddings_decay=0.0)
    network = Network(make_plan())
    groups = [group for one in optimizers(network, training) for group in one.param_groups]
    decay = {id(one): group["weight_decay"] for group in groups for one in group["params"]}
    tables = {id(one) for one in network.embedding.parameters()}
    assert decay == {id(one): 0.0 if id(one) in tables else 0.1 for one in network.parameters()}


@pytest.mark.parametrize(
    "more",
    [
        ["train.optimizer=adagrad(rate: 3e-2)", "train.schedule=plateau(patience: 0)", "train.average=ema(decay: 0.9)"],
        ["train.optimizer=sgd(rate: 3e-2)", "train.schedule=cosine(warmup: 10%)", "train.clip=0.5"],
    ],
    ids=["adagrad", "sgd"],
)
def test_all_of_it_goes_on_from_a_checkpoint(spec: Path, tmp_path: Path, more: list[str]) -> None:  # noqa: F811
    more = [*SMALL, *more, "train.stop=early(patience: 3, on: log_loss)", "train.checkpoint=none"]
    whole: Run = train(spec, tmp_path / "whole", device="cpu", overrides=more)
    losses = {sum(value or 0.0 for value in epoch.valid_losses.values()): epoch.step for epoch in whole.history}
    assert whole.info["best step"] == losses[min(losses)]
    stopped(spec, tmp_path / "run", 40, overrides=more)
    train(spec, tmp_path / "run", device="cpu", overrides=more, resume=True)
    same(tmp_path / "run", whole)


def test_training_for_hours_ends_in_time(spec: Path, tmp_path: Path) -> None:  # noqa: F811
    run = train(spec, tmp_path / "run", device="cpu", overrides=[*SMALL, "train.length=0.0002 hours"])
    assert run.history[-1].seconds >= 0.72
    assert run.info["steps"] >= 1
