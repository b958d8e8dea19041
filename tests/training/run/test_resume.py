"""A training that was stopped, killed or damaged on the way leaves what an undisturbed one leaves, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, train
from aesm_dsl.training.fit.loss_meter import Progress
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.run.checkpoint import Checkpoints
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.run_in_progress import RunInProgress
from aesm_dsl.training.run.stop_signals import StoppedError, StopSignals
from tests.bits.differences import differences
from tests.conftest import PROJECT
from tests.worlds import fund_world

SMALL = [
    "train.length=5 epochs",
    "train.batch=64 rows",
    "train.checkpoint=2 steps",
    "train.optimizer=adam(rate: 1e-2)",
    "train.embeddings=sparse",
    "train.weights=uncertainty",
    "train.stop=early(patience: 3)",
    "experts.repeat=1",
    "experts.dropout=10%",
    "level.card.unknown=shared(hide: 20%)",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 1500)


@pytest.fixture(scope="module")
def whole(spec: Path) -> Run:
    """Never disturbed, and without checkpoints."""
    overrides = [*SMALL, "train.checkpoint=none"]
    return train(spec, spec.parent / "whole", device="cpu", overrides=overrides)


def same(folder: Path, whole: Run) -> None:
    """Both folders hold the same: weights, scores, usage, and a history that differs in its times alone."""
    assert differences(folder, whole.folder) == []
    assert not RunInProgress.of(folder).folder.exists()


def test_killed_again_and_again(spec: Path, whole: Run, tmp_path: Path) -> None:
    kills, overrides = int(os.environ.get("AESM_KILLS", "8")), SMALL
    if kills > 8:  # a training that is long enough for so many lives
        overrides = [*SMALL, f"train.length={kills // 4} epochs", "train.stop=none"]
        whole = train(spec, tmp_path / "whole", device="cpu", overrides=[*overrides, "train.checkpoint=none"])
    order = {"spec": str(spec), "out": str(tmp_path / "run"), "overrides": overrides, "kills": kills, "seed": 5}
    (tmp_path / "order.json").write_text(json.dumps(order))
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.run.killed", str(tmp_path / "order.json")],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["left"] == 0, done.stderr
    assert found["killed"] >= kills // 2, "most lives were long enough to end by themselves"
    same(tmp_path / "run", whole)


def stopped(spec: Path, out: Path, after: int, **given: Any) -> StoppedError:
    """A training that gets a SIGINT in a step."""
    step, left = Stepper.step, [after]

    def count(self: Stepper, *arguments: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    overrides = [*SMALL, "train.checkpoint=none"]
    with patch.object(Stepper, "step", count), pytest.raises(StoppedError) as caught:
        train(spec, out, device="cpu", **{"overrides": overrides, **given})
    return caught.value


def test_signals_stop_with_a_checkpoint_and_resume_finds_it(spec: Path, whole: Run, tmp_path: Path) -> None:
    out, handler = tmp_path / "run", signal.getsignal(signal.SIGINT)
    assert stopped(spec, out, 5).step == 5
    assert stopped(spec, out, 30, resume=True).step == 35
    assert signal.getsignal(signal.SIGINT) is handler
    assert not out.exists()
    with pytest.raises(AesmError, match=r"E601.*run\.training` holds a training that was stopped"):
        train(spec, out, device="cpu", overrides=SMALL)
    train(spec, out, device="cpu", overrides=SMALL, resume=True)  # `checkpoint` may change on the way
    same(out, whole)
    again = train(spec, out, device="cpu", overrides=SMALL, resume=True)  # complete: there is nothing to do
    assert again.scores == whole.scores


def test_a_folder_that_is_being_trained_is_left_alone(spec: Path, whole: Run, tmp_path: Path) -> None:
    """Not even a new start takes it over; what is under way comes to the end that it would have."""
    out, told = tmp_path / "run", []

    def watch(progress: Progress) -> None:
        if len(told) < 3:
            ways: list[dict[str, Any]] = [{"overwrite": True}, {"resume": True}, {}]
            with pytest.raises(AesmError, match="E601") as caught:
                train(spec, out, device="cpu", overrides=SMALL, **ways[len(told)])
            told.append(str(caught.value))

    train(spec, out, device="cpu", overrides=SMALL, watch=watch)
    assert [f"`{out}` is being trained by another process" in one for one in told] == [True, True, False]
    same(out, whole)
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_a_changed_spec_and_changed_rows_are_refused(spec: Path, tmp_path: Path) -> None:
    for one in spec.parent.iterdir():
        if one.is_file():
            (tmp_path / one.name).write_bytes(one.read_bytes())
    own, out = tmp_path / spec.name, tmp_path / "run"
    stopped(own, out, 3)
    changed = [*SMALL, "train.batch=65 rows", "level.card.experts.count=5"]
    with pytest.raises(AesmError) as caught:
        train(own, out, device="cpu", overrides=changed, resume=True)
    messages = [item.message for item in caught.value.findings.errors]
    assert [item.code for item in caught.value.findings.errors] == ["E608"] * 2
    assert "`train.batch` is `65 rows`, and was `64 rows`" in " ".join(messages)
    assert all(item.span is not None for item in caught.value.findings.errors)
    table = pl.read_parquet(tmp_path / "train.parquet")
    table.with_columns(is_click=1 - pl.col("is_click"), is_buy=pl.col("is_buy") * 0).write_parquet(
        tmp_path / "train.parquet"
    )
    with pytest.raises(AesmError, match=r"E608.*the rows are not those"):
        train(own, out, device="cpu", overrides=SMALL, resume=True)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(spec: Path, whole: Run, tmp_path: Path, damage: str) -> None:
    out, told = tmp_path / "run", []
    stopped(spec, out, 9, overrides=SMALL)
    checkpoints = RunInProgress.of(out).checkpoints
    assert checkpoints.steps() == [8, 9]
    path = checkpoints.folder / "step-00000009.safetensors"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes({"flip": data, "cut": data[:-9], "empty": b""}[damage])
    train(spec, out, device="cpu", overrides=SMALL, resume=True, warn=lambda found: told.extend(found.items))
    (note,) = [item for item in told if item.code == "W603"]
    assert "checkpoint of step 9 is damaged" in note.message
    assert "training goes on from the checkpoint before, of step 8" in note.message
    same(out, whole)


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path: Path) -> None:
    state = {"a": [1, (2.5, None)], 7: {("x", 0): torch.tensor([1.5]), "big": torch.arange(6).reshape(2, 3)}, "s": "é"}
    checkpoints = Checkpoints(tmp_path)
    for step in (3, 11, 100):
        checkpoints.save(step, state, (step, {"w": torch.full((2,), float(step))}))
    found, damaged = checkpoints.last()
    assert not damaged
    assert found is not None
    assert found.best is not None
    assert (found.step, found.best["w"].tolist()) == (100, [100.0, 100.0])
    assert found.state["a"] == [1, (2.5, None)]
    assert found.state["s"] == "é"
    assert torch.equal(found.state[7]["x", 0], torch.tensor([1.5]))
    assert torch.equal(found.state[7]["big"], torch.arange(6).reshape(2, 3))
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"step", "best"}
    assert len(list(tmp_path.iterdir())) == 4


def test_a_second_signal_acts_as_ever() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
