"""What MLflow is told of a training: in a store of its own, a SQLite file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aesm_dsl import AesmError, train
from aesm_dsl.cli.main import app
from aesm_dsl.findings.diagnostic import Findings
from tests.conftest import PROJECT
from tests.pages import without
from tests.training.run.test_resume import SMALL, spec, stopped  # noqa: F401

MORE = [*SMALL, "train.length=3 epochs", "train.checkpoint=none"]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    return mlflow.MlflowClient()


def told(client: Any) -> Any:
    (found,) = client.search_runs([client.get_experiment_by_name("ours").experiment_id])
    return found


def test_a_stopped_training_goes_on_in_the_run_that_it_began(spec: Path, client: Any, tmp_path: Path) -> None:  # noqa: F811
    stopped(spec, tmp_path / "run", 30, overrides=MORE, mlflow=True)
    before = told(client)
    assert before.info.status == "KILLED"
    run = train(spec, tmp_path / "run", device="cpu", overrides=MORE, resume=True, mlflow=True)
    after = told(client)
    assert (after.info.run_id, after.info.status, after.info.run_name) == (before.info.run_id, "FINISHED", "run")
    assert after.data.params["rate"] == "0.01"
    assert after.data.params["noise.schedule"] == run.plan.training.noise.schedule
    assert after.data.tags["aesm.run"] == str(tmp_path / "run")
    click = next(one for one in run.scores if (one.leaf, one.task) == ("(all)", "click"))
    assert after.data.metrics["auc/click"] == click.auc
    assert "gauc/click" not in after.data.metrics
    seen = {one.step: one.value for one in client.get_metric_history(after.info.run_id, "loss of the epoch/click")}
    assert seen == {one.step: one.train_losses["click"] for one in run.history}
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    losses = {one.step: one.value for one in client.get_metric_history(after.info.run_id, "loss/click")}
    assert losses == {line["step"]: line["losses"]["click"] for line in lines if "losses" in line}
    assert (Path(client.download_artifacts(after.info.run_id, "spec.aesm"))).read_text(encoding="utf-8") == run.spec


def test_a_training_that_cannot_go_on_has_failed(spec: Path, client: Any, tmp_path: Path) -> None:  # noqa: F811
    more = [*MORE, "train.optimizer=sgd(rate: 1e30)"]
    with pytest.raises(AesmError, match="E603"):
        train(spec, tmp_path / "run", device="cpu", overrides=more, mlflow=True)
    assert told(client).info.status == "FAILED"


def test_a_store_that_fails_on_the_way_does_not_end_training(
    spec: Path,  # noqa: F811
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def fails(self: Any, *given: Any, **named: Any) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError("the disk is full\nsomewhere")

    monkeypatch.setattr(type(client), "log_batch", fails)
    warned: list[Findings] = []
    run = train(spec, tmp_path / "run", device="cpu", overrides=MORE, mlflow=True, warn=warned.append)
    (found,) = [item for findings in warned for item in findings.items if item.code == "W604"]
    assert found.help[0] == "the disk is full"
    assert len(calls) == 3
    assert run.info["steps"]


def test_the_command_and_what_is_not_installed(spec: Path, client: Any, tmp_path: Path) -> None:  # noqa: F811
    command = ["train", str(spec), "-o", str(tmp_path / "run"), "--mlflow", "--device", "cpu"]
    command += [part for one in [*MORE, "train.length=2 steps"] for part in ("--set", one)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert told(client).info.status == "FINISHED"
    with without("mlflow"), pytest.raises(AesmError, match=r"E607.*--mlflow.*not installed") as caught:
        train(spec, tmp_path / "other", device="cpu", overrides=MORE, mlflow=True)
    assert "aesm-dsl[mlflow]" in caught.value.findings.items[0].help[0]
    assert not (tmp_path / "other").exists()


def test_nothing_is_loaded_that_is_not_asked_for(spec: Path, tmp_path: Path) -> None:  # noqa: F811
    code = f"""
import sys
from aesm_dsl import train
train({str(spec)!r}, {str(tmp_path / "run")!r}, device="cpu", overrides={[*MORE, "train.length=1 steps"]!r})
assert not [name for name in sys.modules if name.startswith("mlflow")]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr
