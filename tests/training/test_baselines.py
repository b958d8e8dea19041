"""Every baseline the whole way: train, run folder, evaluate, predict, and what is told where nothing is learnt."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, evaluate, load_run, predict, train, visualize
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.training.run.folder import Run
from tests.worlds import fund_world

BASELINES = ARCHITECTURES[1:]

SMALL = [
    "train.length=2 epochs",
    "train.batch=256 rows",
    "train.optimizer=adam(rate: 1e-2)",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
    "experts.repeat=1",
    "experts.dropout=10%",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 2000).parent


def run_of(world: Path, architecture: str, name: str, *more: str) -> Run:
    spec = world / "fund_search.aesm"
    return train(spec, world / name, arch=architecture, device="cpu", overrides=[*SMALL, *more])


@pytest.mark.parametrize("architecture", BASELINES)
def test_a_run_learns_and_is_the_same_again(world: Path, architecture: str) -> None:
    run = run_of(world, architecture, architecture)
    first, last = run.history[0].train_losses, run.history[-1].train_losses
    assert all(last[task] < first[task] for task in ("click", "purchase"))
    assert run.info["architecture"] == architecture
    again = run_of(world, architecture, f"{architecture} again")
    assert [epoch.train_losses for epoch in again.history] == [epoch.train_losses for epoch in run.history]
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name

    loaded = load_run(run.folder)
    assert loaded.plan == run.plan
    assert evaluate(loaded).equals(run.metrics)
    scored = predict(loaded, world / "test.parquet")
    assert scored.equals(predict(run, world / "test.parquet"))
    assert scored.select(pl.all().is_between(0, 1).all()).row(0) == (True, True)
    assert architecture == "shared_bottom" or (scored["purchase"] <= scored["click"]).all()


@pytest.mark.parametrize("architecture", ["aes", "mmoe", "star", "single"])
def test_sparse_tables_learn_and_are_the_same_again(world: Path, architecture: str) -> None:
    run = run_of(world, architecture, f"{architecture} sparse", "train.embeddings=sparse")
    assert run.info["sparse tables"] == [4, 8]
    first, last = run.history[0].train_losses, run.history[-1].train_losses
    assert all(last[task] < first[task] for task in ("click", "purchase"))
    again = run_of(world, architecture, f"{architecture} sparse again", "train.embeddings=sparse")
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    assert evaluate(load_run(run.folder)).equals(run.metrics)


def test_nothing_selected_is_said_plainly(world: Path) -> None:
    run = run_of(world, "mmoe", "nothing", "train.length=1 steps")
    assert len(run.usage) == len(load_run(run.folder).usage) == 0
    for ask in (lambda: run.sharing("card"), lambda: visualize(run, world / "sharing.svg")):
        with pytest.raises(AesmError, match="a run of `mmoe` has no learnt selection") as caught:
            ask()
        assert [item.code for item in caught.value.findings] == ["E606"]
    assert not (world / "sharing.svg").exists()
    assert visualize(world / "fund_search.aesm", world / "structure.dot", overrides=["architecture=mmoe"]).exists()


@pytest.mark.parametrize("architecture", ["star", "single"])
def test_rows_of_unknown_nodes_are_served(world: Path, architecture: str) -> None:
    unknown = "level.card.unknown=shared(hide: 20%)"
    run = run_of(world, architecture, f"{architecture} unknown", unknown, "train.length=1 epochs")
    rows = pl.read_parquet(world / "test.parquet").with_columns(card=pl.lit("new_card"))
    assert predict(run, rows).height == rows.height
    known = run_of(world, architecture, f"{architecture} known", "train.length=1 steps")
    with pytest.raises(AesmError, match="E506"):
        predict(known, rows)


def test_a_warning_about_size_reaches_whoever_trains(world: Path) -> None:
    warned = Findings()
    least = [f"{level}.experts.count=1" for level in ("level.scenario", "level.card", "tasks")]
    least += [
        "experts.specific=1",
        "experts.shared=1",
        "tasks.tower=[512, 512]",
        "tasks.tower_per=task",
        "train.length=1 steps",
    ]
    spec = world / "fund_search.aesm"
    train(spec, world / "large", arch="single", device="cpu", overrides=[*SMALL, *least], warn=warned.extend)
    assert "W109" in {item.code for item in warned}
