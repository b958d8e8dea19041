"""Two real processes, started by torchrun, learn what one learns of the same batches, and leave one run behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aesm_dsl import AesmError, evaluate, load_run, train
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.cli.main import main
from tests.conftest import PROJECT
from tests.training.run.test_resume import same
from tests.worlds import fund_world, write


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment(), check=False)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **more}


def variables(rank: str, port: str) -> dict[str, str]:
    """What torchrun sets for one of two processes."""
    return {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}


def two_processes(module: str, folder: Path) -> None:
    """Runs the module on the folder in two processes, started with the variables that torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", module, str(folder)]
    started = [
        subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=PROJECT, env=environment(**variables(rank, port))
        )
        for rank in ("0", "1")
    ]
    told = [one.communicate()[1] for one in started]
    assert [one.returncode for one in started] == [0, 0], told[0][-4000:] + told[1][-4000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes did what together.py says."""
    folder = tmp_path_factory.mktemp("together")
    fund_world(folder, 1501)
    two_processes("tests.training.distributed.together", folder)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.parametrize(
    "name", ["sgd", "sparse", "lazy adam", "combined", "gradnorm", "famo", "known in training only"]
)
def test_two_processes_learn_what_one_learns(found: dict[str, Any], name: str) -> None:
    seen = found["steps"][name]
    for ours, theirs in zip(seen["together"], seen["alone"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)
    assert seen["alone"][2][1] == 0, "a batch without labels of a task"
    assert seen["apart"] < 1e-7
    assert seen["the same weights"]


def test_a_stopped_training_of_two_goes_on_to_the_same_run(folder: Path, found: dict[str, Any]) -> None:
    assert found["stopped at"] == 9
    same(folder / "run", load_run(folder / "whole"))


def test_what_is_written_is_what_one_process_finds(folder: Path, found: dict[str, Any]) -> None:
    run = load_run(folder / "whole")
    assert_frame_equal(pl.DataFrame(found["metrics"], run.metrics.schema), run.metrics)
    assert_frame_equal(evaluate(run, device="cpu"), run.metrics, rel_tol=1e-5, abs_tol=1e-6)
    assert run.info["processes"] == 2
    assert not list(folder.glob("whole-*"))


def test_what_cannot_be_shared_is_refused_in_its_place(found: dict[str, Any]) -> None:
    assert found["refused"] == [
        ["E609", "a batch of 63 rows cannot be divided among 2 processes", True],
        ["E609", "`norm = batch` cannot be trained by 2 processes", True],
        ["E609", "`architecture = star` cannot be trained by 2 processes", True],
    ]


def test_one_process_does_not_go_on_with_what_two_began(folder: Path, found: dict[str, Any]) -> None:
    spec, more = folder / "fund_search.aesm", found["overrides"]
    with pytest.raises(AesmError, match=r"was begun by 2 processes of torchrun, and there is 1 now"):
        train(spec, folder / "left", device="cpu", overrides=more, resume=True)


@pytest.mark.parametrize("command", ["compare", "tune"])
def test_what_trains_many_runs_takes_one_process(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first process says it, with the variables of torchrun; the second says nothing."""
    words = ["aesm", command, str(write(tmp_path, world_spec())), "-o", str(tmp_path / command)]
    monkeypatch.setattr(sys, "argv", words)
    told = []
    for rank in ("0", "1"):
        for name, value in variables(rank, "1").items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        told.append(capsys.readouterr())
    (first, said), (second, silent) = told
    assert (first, second, silent) == ("", "", "")
    assert said.count("error[E609]") == 1
    assert f"`aesm {command}` takes one process, and torchrun has started 2" in said
    assert "spec.aesm:" in said.partition("E609")[2]
    assert not (tmp_path / command).exists()


def test_the_command_prints_once(folder: Path) -> None:
    spec, more = str(folder / "fund_search.aesm"), ["--set", "train.length=2 steps", "--set", "train.batch=64 rows"]
    done = torchrun("-m", "aesm_dsl", "train", spec, "-o", str(folder / "printed"), "--device", "cpu", *more)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote ") == 1
    assert done.stdout.count("test rows") == 1
