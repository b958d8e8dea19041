"""Steps in bfloat16, and steps that are compiled: what they learn is what float32 and no compiler learn."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, train
from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.layers.experts import Experts
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.run.checkpoint import Checkpoints
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.train import new_network
from tests.conftest import SWEEP
from tests.layers.baselines.plans import BASELINES, make_baseline, visit
from tests.layers.plans import FUNNEL, LAYER, TRAINING, feature, make_batch, make_plan, stir
from tests.training.run.test_resume import SMALL, same, stopped
from tests.worlds import fund_world

CPU = torch.device("cpu")
BF16 = "train.precision=bf16"
WAYS = ["dense", "loop", "grouped"]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 1500)


@pytest.fixture(scope="module")
def low(spec: Path) -> Run:
    return train(spec, spec.parent / "low", device="cpu", overrides=[*SMALL, BF16])


def test_what_bfloat16_learns_is_as_good(tmp_path: Path) -> None:
    more = ["train.noise=none", "train.optimizer=adam(rate: 3e-3)", "train.batch=128 rows", "train.length=3 epochs"]
    large = fund_world(tmp_path, 6000)
    full, low = (
        train(large, tmp_path / one, device="cpu", overrides=[*SMALL, *more, f"train.precision={one}"])
        for one in ("float32", "bf16")
    )
    pairs = zip(full.network.state_dict().values(), low.network.state_dict().values(), strict=True)
    assert any(not torch.equal(one, two) for one, two in pairs), "nothing was rounded"
    for name in ("auc", "log_loss"):
        two = [run.metrics.filter(pl.col("leaf") == "(all)")[name].to_list() for run in (full, low)]
        assert two[0] == pytest.approx(two[1], abs=0.02), name
    assert all(one.dtype == torch.float32 for one in low.network.state_dict().values())


def test_a_training_in_bfloat16_goes_on_bit_for_bit(spec: Path, low: Run, tmp_path: Path) -> None:
    out, more = tmp_path / "run", [*SMALL, BF16]
    for after in (5, 30):
        stopped(spec, out, after, overrides=more, resume=after > 5)
    kept = Checkpoints(out.with_name("run.training") / "checkpoints").last()[0]
    assert kept is not None
    assert torch.bfloat16 not in {one.dtype for one in tensors(kept.state)}
    train(spec, out, device="cpu", overrides=more, resume=True)
    same(out, low)


def tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else []
    return [one for value in values for one in tensors(value)]


@pytest.mark.parametrize("way", WAYS)
def test_gates_and_probabilities_are_those_of_float32(way: str) -> None:
    plan = make_plan(layer=replace(LAYER, hidden=(16, 8), execution=way))
    network, batch = new_network(plan), make_batch(plan, 50)
    stir(network)
    exact, gates, logits = network(batch), list[torch.Tensor](), AESLayer.logits

    def seen(self: AESLayer, *given: torch.Tensor) -> torch.Tensor:
        gates.append(logits(self, *given))
        return gates[-1]

    with patch.object(AESLayer, "logits", seen), torch.autocast("cpu", torch.bfloat16):
        found = network(batch)
    assert len(gates) == 6
    assert {one.dtype for one in gates} == {torch.float32}
    pairs = [one.selection["entry"][0].weight for one in (found, exact)]
    assert torch.equal(*pairs), "nothing below the first layer was rounded"
    pairs = [one.logit["click"] for one in (found, exact)]
    assert not torch.equal(*pairs), "experts and towers were"
    tallies = [value for tally in found.loss_sums for value in (tally.specific, tally.shared, tally.wanted_E)]
    probabilities = [*found.logit.values(), *found.log_probability.values(), *found.log_complement.values()]
    assert {one.dtype for one in (*tallies, *probabilities)} == {torch.float32}


@pytest.mark.parametrize("architecture", BASELINES)
def test_baselines_in_bfloat16(architecture: str) -> None:
    plan = make_baseline(architecture)
    network, batch = new_network(plan).eval(), visit(plan, 60)
    exact = network(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(batch)
    for name, yes_B in found.log_probability.items():
        assert yes_B.dtype == torch.float32
        assert (yes_B != exact.log_probability[name]).any()
        torch.testing.assert_close(yes_B, exact.log_probability[name], atol=0.05, rtol=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_statistics_count_beyond_what_bfloat16_counts(way: str) -> None:
    torch.manual_seed(0)
    plan = replace(LAYER, input=8, hidden=(8,), experts=2, norm="batch", execution=way)
    x_BD, weight_BGE = torch.randn(1000, 8), torch.eye(2)[torch.arange(1000) % 2].unsqueeze(1)
    low, full = Experts(plan), Experts(plan)
    full.load_state_dict(low.state_dict())
    full(x_BD, weight_BGE)
    with torch.autocast("cpu", torch.bfloat16):
        low(x_BD, weight_BGE)
    for name in ("mean_EH", "variance_EH"):
        torch.testing.assert_close(
            low.blocks[0].get_buffer(name), full.blocks[0].get_buffer(name), atol=2e-3, rtol=2e-3
        )


@pytest.mark.parametrize("way", WAYS)
def test_gradients_grow_beyond_what_bfloat16_counts(way: str) -> None:
    """Those of a bias too, which are sums over the rows."""
    torch.manual_seed(0)
    plan = replace(LAYER, input=8, hidden=(8,), experts=2, norm="none", activation="relu", execution=way)
    x_BD, weight_BGE = torch.randn(4000, 8), torch.eye(2)[torch.arange(4000) % 2].unsqueeze(1)
    low, full = Experts(plan), Experts(plan)
    low.load_state_dict(full.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        low(x_BD, weight_BGE).float().sum().backward()
    full(x_BD, weight_BGE).sum().backward()
    for rounded, exact in zip(low.parameters(), full.parameters(), strict=True):
        assert rounded.grad is not None
        assert exact.grad is not None
        torch.testing.assert_close(rounded.grad, exact.grad, atol=8.0, rtol=0.02)


def learn(plan: Plan, compile: str | None, combine: str) -> tuple[list[list[float]], dict[str, torch.Tensor]]:
    plan = replace(plan, training=replace(plan.training, compile=compile, combine=combine))
    network = new_network(plan)
    stir(network)
    weighting = (lambda gram_TT: 1 / (1 + gram_TT.diagonal().sqrt())) if combine != "sum" else None
    stepper = Stepper(network, CPU, weighting)
    losses = [stepper.step(make_batch(plan, 40 + step, seed=step), step / 4).tolist() for step in range(4)]
    return losses, stepper.measured.state_dict()


def assert_learnt_alike(plan: Plan, backend: str, combine: str) -> None:
    losses, weights = learn(plan, backend, combine)
    expected, other = learn(plan, None, combine)
    assert losses == [pytest.approx(one, abs=1e-5) for one in expected]
    for name, value in weights.items():
        torch.testing.assert_close(value, other[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("way", "combine"), [("loop", "pcgrad"), ("dense", "sum")])
def test_compiled_steps_learn_the_same(way: str, combine: str) -> None:
    """Of batches of any size, sparse tables and an average too, and of gradients that are asked for task by task."""
    training = replace(TRAINING, sparse_from=0.0 if way == "loop" else None, ema_decay=0.9)
    plan = make_plan((), FUNNEL[:2], repeat=1, layer=replace(LAYER, hidden=(8, 8), execution=way))
    assert_learnt_alike(replace(plan, training=training), "aot_eager", combine)


@pytest.mark.skipif(not SWEEP, reason="the C++ compiler takes minutes; `make sweeps` and `make bits` have them")
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler")
def test_loops_of_the_compiler_learn_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They never let several threads add to one place: they would add in another order each time.

    `make bits` compiles whole trainings, and has them go on from a checkpoint.
    """
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    layer = replace(LAYER, hidden=(8,), experts=3, execution="dense")
    plan = make_plan((), FUNNEL[:1], repeat=1, layer=layer)
    assert_learnt_alike(replace(plan, training_features=(feature("position", 5, 3),)), "inductor", "sum")
    loops = [path.read_text() for path in tmp_path.rglob("*.main.cpp")]
    assert loops
    assert not [loop for loop in loops if "atomic_add" in loop]


def test_no_compiler_is_told_before_anything_is_read(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(AesmError, match="no `no-such-compiler` here") as caught:
        train(spec, spec.parent / "none", device="cpu", overrides=["train.compile=inductor", 'data.train="gone"'])
    (told,) = caught.value.findings
    assert (told.code, told.span is not None) == ("E611", True)
    monkeypatch.delenv("CXX")

    def fails(*given: Any, **named: Any) -> Any:
        raise RuntimeError("backend='inductor' raised:\n\nfatal error: Python.h: No such file")

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(AesmError, match=r"does not work here: fatal error: Python\.h"):
        train(spec, spec.parent / "none", device="cpu", overrides=["train.compile=inductor"])


def test_grouped_products_are_compiled_in_bfloat16() -> None:
    layer = replace(LAYER, hidden=(8, 8), execution="grouped")
    plan = replace(make_plan((), FUNNEL[:1], repeat=1, layer=layer), training=replace(TRAINING, precision="bf16"))
    (first, *_), _ = learn(plan, "aot_eager", "sum")
    (other, *_), _ = learn(plan, None, "sum")
    assert first == pytest.approx(other, abs=1e-2)
