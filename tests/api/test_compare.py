"""`compare` on tiny data: what it trains, what it keeps, what it says, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from aesm_dsl import AesmError, compare, load_run
from aesm_dsl.api.compare import Finished
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.simulate.groups import write_groups
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.cost import cost
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.training.compare import Comparison, verdict
from aesm_dsl.training.evaluate import predict_measured_rows
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.metrics.t_test import mean_of_runs
from aesm_dsl.training.run.stop_signals import StoppedError
from tests.conftest import PROJECT, within

SMALL = ("train.length=8 steps", "train.batch=128 rows", "experts.repeat=1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_groups(folder, 3000, 1, 0.4)
    (folder / "groups.aesm").write_text(world_spec("groups"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(world: Path) -> Comparison:
    rivals = ["single", "mmoe"]
    return compare(world / "groups.aesm", world / "out", rivals=rivals, seeds=2, jobs=1, device="cpu", overrides=SMALL)


def auc_of(folder: Path, leaf: str) -> float:
    (score,) = [one for one in load_run(folder).scores if one.leaf == leaf]
    assert score.auc is not None
    return score.auc


def test_the_leaderboard_says_what_the_runs_say(world: Path, found: Comparison) -> None:
    assert found.seeds == (7, 8)
    assert found.runs["single"] == ("runs/single-7", "runs/single-8")
    assert sorted(path.name for path in (world / "out" / "runs").iterdir()) == [
        f"{name}-{seed}" for name in ("aes", "mmoe", "single") for seed in (7, 8)
    ]
    own = {name: [auc_of(world / "out" / one, "(all)") for one in runs] for name, runs in found.runs.items()}
    assert [one.architecture for one in found.contenders] == sorted(own, key=lambda name: -np.mean(own[name]))
    for one in found.contenders:
        assert one.auc == mean_of_runs(own[one.architecture])
        expected = [a - b for a, b in zip(own["aes"], own[one.architecture], strict=True)]
        assert one.behind == (None if one.architecture == "aes" else mean_of_runs(expected))
        parameters = sum(
            part.numel() for part in load_run(world / "out" / found.runs[one.architecture][0]).network.parameters()
        )
        assert one.parameters + one.table_parameters == parameters
    sizes = {one.architecture: one.parameters for one in found.contenders}
    assert sizes["mmoe"] == pytest.approx(sizes["aes"], rel=0.05)


def test_the_seesaw_is_unified_minus_single_leaf_by_leaf(world: Path, found: Comparison) -> None:
    assert [one.leaf for one in found.seesaw] == [f"s{number}" for number in range(1, 9)]
    for one in found.seesaw:
        pairs = [
            (
                auc_of(world / "out" / f"runs/aes-{seed}", one.leaf),
                auc_of(world / "out" / f"runs/single-{seed}", one.leaf),
            )
            for seed in (7, 8)
        ]
        assert one.gain == mean_of_runs([unified - single for unified, single in pairs])
        assert one.verdict == verdict(one.gain)
        assert one.by_rows is not None
        assert one.by_rows.difference == pytest.approx(one.gain.value)
        assert 0 < one.by_rows.p <= 1


def test_a_verdict_needs_a_small_p_and_takes_its_sign() -> None:
    assert verdict(mean_of_runs([0.010, 0.011, 0.012])) == "gain"
    assert verdict(mean_of_runs([-0.010, -0.011, -0.012])) == "loss"
    assert verdict(mean_of_runs([0.010, -0.011, 0.012])) == "even"
    assert verdict(mean_of_runs([0.1])) == "even"


def test_the_tables_and_the_file(world: Path, found: Comparison) -> None:
    written = json.loads((world / "out" / "compare.json").read_text(encoding="utf-8"))
    assert written == json.loads(found.to_json())
    assert written["format"] == 1
    titles = [str(table.title) for table in comparison_tables(found)]
    assert [title.split(":")[0] for title in titles] == [
        "Hidden groups (groups)",
        "AUC by leaf and task, mean over the seeds",
        "The seesaw",
    ]
    leaderboard, by_leaf, seesaw = comparison_tables(found)
    assert (leaderboard.row_count, by_leaf.row_count, seesaw.row_count) == (3, 9, 8)


def test_finished_runs_are_kept_and_more_may_be_asked_for(world: Path, found: Comparison) -> None:
    before = {path: path.stat().st_mtime_ns for path in (world / "out").rglob("run.json")}
    shutil.rmtree(world / "out" / "runs" / "mmoe-8")
    seen: list[Finished] = []
    again = compare(
        world / "groups.aesm",
        world / "out",
        rivals=["mmoe", "single", "star"],
        seeds=2,
        jobs=2,
        device="cpu",
        overrides=SMALL,
        watch=seen.append,
    )
    assert sorted((one.architecture, one.seed) for one in seen) == [("mmoe", 8), ("star", 7), ("star", 8)]
    assert [(one.done, one.runs) for one in seen] == [(6, 8), (7, 8), (8, 8)]
    kept = {path: path.stat().st_mtime_ns for path in (world / "out").rglob("run.json")}
    assert {path for path, when in before.items() if kept[path] != when} == {world / "out/runs/mmoe-8/run.json"}
    # A process of its own trains as this one does.
    assert [one for one in again.standings if one.architecture == "mmoe"] == [
        one for one in found.standings if one.architecture == "mmoe"
    ]


def test_each_architecture_chooses_its_settings_on_validation_rows(world: Path, tmp_path: Path) -> None:
    """Four choices; the first learns nothing, so that somebody is to choose another."""
    tries = [f"train.optimizer=adam(rate: {rate})" for rate in ("1e-9", "3e-2")]
    tries[1:1] = ["train.average=none", "train.average=ema(decay: 0.5)"]
    given = {"rivals": ["mmoe"], "seeds": 2, "jobs": 1, "device": "cpu", "overrides": SMALL, "tries": tries}
    seen: list[Finished] = []
    found = compare(world / "groups.aesm", tmp_path / "out", **given, watch=seen.append)  # type: ignore[arg-type]
    assert [(one.done, one.runs) for one in seen] == [(number, 10) for number in range(1, 11)]
    combined = [(one, other) for one in (tries[0], *tries[3:]) for other in tries[1:3]]
    for one in found.contenders:
        valid = []
        for number in range(1, 5):
            run = load_run(tmp_path / "out" / "runs" / f"{one.architecture}-{number}-7")
            valid.append(max(epoch.valid_mean_auc or 0 for epoch in run.history))
        best = int(np.argmax(valid))
        assert one.settings == combined[best]
        assert found.runs[one.architecture] == tuple(f"runs/{one.architecture}-{best + 1}-{seed}" for seed in (7, 8))
        assert f"{one.architecture}: {', '.join(one.settings)}" in str(comparison_tables(found)[0].caption)
    assert any(one.settings != combined[0] for one in found.contenders)
    assert Comparison.from_json(found.to_json(), found.folder) == found
    again: list[Finished] = []
    assert compare(world / "groups.aesm", tmp_path / "out", **given, watch=again.append) == found  # type: ignore[arg-type]
    assert not again


def test_all_seeds_are_measured_on_the_same_random_rows(world: Path, tmp_path: Path) -> None:
    overrides = (*SMALL, "data.test=split(random: 20%)", "data.valid=split(random: 7%)")
    given = {"rivals": ["mmoe"], "seeds": 2, "jobs": 1, "device": "cpu", "overrides": overrides}
    found = compare(world / "groups.aesm", tmp_path / "out", **given)  # type: ignore[arg-type]
    runs = [load_run(tmp_path / "out" / one) for of_name in found.runs.values() for one in of_name]
    assert [run.plan.training.seed for run in runs] == [7, 8, 7, 8]
    parts = [predict_measured_rows(run, "cpu", Findings()) for run in runs]
    labels = [part.rows.label_RT for part in parts if part is not None]
    assert len(labels) == 4
    assert all(np.array_equal(one, labels[0]) for one in labels[1:])
    assert all(one.by_rows is not None for one in found.standings if one.architecture == "mmoe")
    assert len({run.scores[0].auc for run in runs}) == 4, "the seeds train alike"


def test_rivals_are_as_large_as_the_aes_that_was_chosen(world: Path, tmp_path: Path) -> None:
    """The rivals have one choice each, sized after the choice of AES; candidates show what they were chosen by."""
    tries = ["tasks.experts.hidden=[8, 16]", "tasks.experts.hidden=[256, 16]"]
    given = {"rivals": ["mmoe"], "seeds": 1, "jobs": 1, "device": "cpu", "overrides": SMALL, "tries": tries}
    seen: list[Finished] = []
    found = compare(world / "groups.aesm", tmp_path / "out", **given, watch=seen.append)  # type: ignore[arg-type]
    assert [(one.done, one.runs, one.architecture, one.candidate) for one in seen] == [
        (1, 3, "aes", True),
        (2, 3, "aes", True),
        (3, 3, "mmoe", True),
    ]
    for number, one in enumerate(seen[:2], 1):
        history = load_run(tmp_path / "out" / "runs" / f"aes-{number}-7").history
        assert one.mean_auc == max(epoch.valid_mean_auc or 0 for epoch in history)
    by_name = {one.architecture: one for one in found.contenders}
    assert by_name["mmoe"].settings == by_name["aes"].settings
    assert by_name["mmoe"].parameters == pytest.approx(by_name["aes"].parameters, rel=0.05)
    # The other choice would have been another size.
    sizes = [cost(load_run(tmp_path / "out" / "runs" / f"aes-{number}-7").plan).total.parameters for number in (1, 2)]
    assert sizes[1] > 1.3 * sizes[0]


def test_what_cannot_be_chosen_is_told_before_training(world: Path, tmp_path: Path) -> None:
    spec, out = world / "groups.aesm", tmp_path / "out"
    with pytest.raises(AesmError, match=r"E610.*judged by validation rows"):
        compare(spec, out, tries=["train.seed=1"], overrides=["data.valid=none"])
    with pytest.raises(AesmError, match=r"no setting `train.optimiser`"):
        compare(spec, out, tries=["train.batch=64 rows", "train.optimiser=adam()"])
    assert not out.exists()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for children in /proc")
def test_a_killed_comparison_leaves_no_process(world: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aesm_dsl", "compare", world / "groups.aesm", "-o", tmp_path / "out"]
    command += ["--with", "mmoe", "--jobs", "2", "--device", "cpu", "--set", "train.length=100k steps"]
    running = subprocess.Popen(list(map(str, command)), env={**os.environ, "PYTHONPATH": str(PROJECT)})
    try:
        assert within(200, lambda: len(list((tmp_path / "out" / "runs").glob("*.training"))) == 2)
        children = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
        assert len(children) > 2, "two that train, and what keeps track of them"
    finally:
        running.kill()
        running.wait()
    assert within(60, lambda: not any(alive(pid) for pid in children))


def test_a_stopped_comparison_says_so_in_one_line(world: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aesm_dsl", "compare", world / "groups.aesm", "-o", tmp_path / "out"]
    command += ["--with", "mmoe", "--jobs", "1", "--device", "cpu", "--set", "train.length=100k steps"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    running = subprocess.Popen(list(map(str, command)), env=environment, stderr=subprocess.PIPE, text=True)
    try:
        runs = tmp_path / "out" / "runs"
        assert within(200, lambda: any(path.stat().st_size for path in runs.rglob("log.jsonl")))
        running.terminate()
        _, told = running.communicate(timeout=100)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "Traceback" not in told
    assert told.splitlines()[-1].endswith("of a run: the same command goes on with the runs that are not finished")


def alive(pid: int) -> bool:
    """Not a zombie either: without its parent it may wait for one that asks how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_that_was_stopped_goes_on(world: Path, found: Comparison, tmp_path: Path) -> None:
    step, steps, stop_at = Stepper.step, [0], 5

    def count(self: Stepper, *arguments: Any) -> Any:
        steps[0] += 1
        if steps[0] == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    def comparison() -> Comparison:
        spec, out = world / "groups.aesm", tmp_path / "out"
        return compare(spec, out, rivals=["single"], seeds=1, jobs=1, device="cpu", overrides=SMALL)

    with patch.object(Stepper, "step", count):
        with pytest.raises(StoppedError, match="after step 5 of 8"):
            comparison()
        result = comparison()
    assert steps == [16], "8 steps of each of the two, none of them twice"
    for name in ("aes", "single"):
        own, other = (one.folder / one.runs[name][0] / "weights.safetensors" for one in (result, found))
        assert own.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["aes-7", "single-7"]


def test_a_folder_of_another_spec_is_refused(world: Path, found: Comparison) -> None:
    with pytest.raises(AesmError, match="a run of another spec, or of other settings") as told:
        compare(world / "groups.aesm", found.folder, rivals=["single"], seeds=1, device="cpu")
    assert {one.code for one in told.value.findings} == {"E601"}


def test_what_is_wrong_with_the_data_is_told(world: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        with pytest.raises(AesmError) as told:
            compare(
                world / "groups.aesm",
                tmp_path / "out",
                rivals=["single"],
                seeds=1,
                jobs=jobs,
                device="cpu",
                overrides=["tasks.task.hit.label=nothing"],
            )
        assert "nothing" in str(told.value)
        assert {one.code[:2] for one in told.value.findings} == {"E5"}
    assert not (tmp_path / "out" / "compare.json").exists()


def test_a_rival_that_is_none(world: Path) -> None:
    with pytest.raises(AesmError, match="no architecture `mmeo`"):
        compare(world / "groups.aesm", rivals=["mmeo"])
