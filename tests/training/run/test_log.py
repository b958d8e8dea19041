"""What a training writes while it goes: lines of JSON, event files for TensorBoard, and why it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from aesm_dsl import train
from aesm_dsl.training.fit.loss_meter import DivergedError, LossMeter
from tests.training.run.test_resume import SMALL, spec, stopped  # noqa: F401

MORE = [*SMALL, "train.length=3 epochs", "train.checkpoint=none"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_training_that_went_on_has_the_log_of_one_that_was_not_stopped(spec: Path, tmp_path: Path) -> None:  # noqa: F811
    whole = train(spec, tmp_path / "whole", device="cpu", overrides=MORE)
    stopped(spec, tmp_path / "run", 30, overrides=MORE)
    unfinished = tmp_path / "run.training" / "log.jsonl"
    with unfinished.open("a") as file:  # as if it had got further, and died within a line
        file.write(json.dumps({"step": 31, "losses": {}}) + '\n{"step": 3')
    train(spec, tmp_path / "run", device="cpu", overrides=MORE, resume=True)
    one, other = lines(tmp_path / "run" / "log.jsonl"), lines(whole.folder / "log.jsonl")
    epochs = [{**line, "seconds": 0} for line in one if "epoch" in line]
    assert epochs == [{**line, "seconds": 0} for line in other if "epoch" in line]
    assert [line["train_losses"] for line in epochs] == [epoch.train_losses for epoch in whole.history]
    # A stop looks at the losses: a line more than without.
    assert [line["step"] for line in one if "losses" in line and line["step"] != 30] == [
        line["step"] for line in other if "losses" in line
    ]
    assert 0 < one[0]["rows"] <= 64 * one[0]["step"]


def test_event_files_hold_the_same_numbers(spec: Path, tmp_path: Path) -> None:  # noqa: F811
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(spec, tmp_path / "run", device="cpu", overrides=MORE)
    events = accumulator.EventAccumulator(str(run.folder / "events"))
    events.Reload()
    for tag, name in (("loss/click", "click"), ("loss/purchase", "purchase")):
        told = [(line["step"], line["losses"][name]) for line in lines(run.folder / "log.jsonl") if "losses" in line]
        assert [(one.step, one.value) for one in events.Scalars(tag)] == [
            (step, pytest.approx(value)) for step, value in told
        ]
    aucs = [epoch.valid_mean_auc for epoch in run.history if epoch.valid_mean_auc is not None]
    assert "mean AUC" not in events.Tags()["scalars"] or [one.value for one in events.Scalars("mean AUC")] == (
        pytest.approx(aucs)
    )


@pytest.mark.parametrize(("loss", "how"), [(float("nan"), "is not finite"), (61.0, "is 61 nats")])
def test_a_loss_that_explodes_stops_training(loss: float, how: str) -> None:
    meter = LossMeter(["click", "buy"], lambda progress: None)
    meter.add(torch.tensor([0.1, 49.0]), 1, 3, 8, 0.1)
    meter.add(torch.tensor([0.1, loss]), 2, 3, 16, 0.1)
    with pytest.raises(DivergedError, match=rf"the loss of task `buy` {how} at step 2"):
        meter.add(torch.tensor([0.1, 0.1]), 3, 3, 24, 0.1)
