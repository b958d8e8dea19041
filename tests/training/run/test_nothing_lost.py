"""Whatever ends a training, and whatever a disk does to its files: nothing is lost, and no command refuses to go on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from aesm_dsl import AesmError, load_run, train
from aesm_dsl.files.temporary import PARTIAL, temporary_name
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.run import checkpoint, folder, log, rescue
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.run_in_progress import RunInProgress, StartRecord, free_folder, latest_in_progress, lock_path
from aesm_dsl.training.run.stop_signals import StoppedError
from tests.training.run.test_resume import same, stopped
from tests.worlds import fund_world

SHORT = [
    "train.length=12 steps",
    "train.batch=64 rows",
    "train.checkpoint=4 steps",
    "experts.repeat=1",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]


class KilledError(BaseException):
    """Stands for a SIGKILL: nothing catches it but the test."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 800)


@pytest.fixture(scope="module")
def whole(spec: Path) -> Run:
    return train(spec, spec.parent / "whole", device="cpu", overrides=SHORT)


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_killed_between_a_complete_run_and_the_end_of_its_training(spec: Path, whole: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with patch.object(RunInProgress, "remove", side_effect=[None, KilledError]), pytest.raises(KilledError):
        train(spec, out, device="cpu", overrides=SHORT)
    assert names(tmp_path) == ["run", "run.training"]
    again = train(spec, out, device="cpu", overrides=SHORT, resume=True)
    assert again.scores == whole.scores
    assert names(tmp_path) == ["run"]
    same(out, whole)


def test_any_command_clears_the_training_of_a_complete_run(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with patch.object(RunInProgress, "remove", side_effect=[None, KilledError]), pytest.raises(KilledError):
        train(spec, out, device="cpu", overrides=SHORT)
    left = tmp_path / temporary_name("run", PARTIAL)
    shutil.copytree(out, left)
    load_run(out)
    assert names(tmp_path) == ["run"]


def test_an_older_run_is_no_reason_to_forget_the_training_that_replaces_it(
    spec: Path, whole: Run, tmp_path: Path
) -> None:
    """`--overwrite` was killed: the older run stays, and the new training goes on, before and after a checkpoint."""
    out = tmp_path / "run"
    train(spec, out, device="cpu", overrides=[*SHORT, "train.seed=9"])
    older = (out / "weights.safetensors").read_bytes()
    RunInProgress.of(out).begin("", StartRecord("", 1))  # as if it was killed before its first checkpoint
    for steps in (5, 3):
        with dying_in_step(steps), pytest.raises(KilledError):
            train(spec, out, device="cpu", overrides=SHORT, overwrite=True, resume=True)
        assert (out / "weights.safetensors").read_bytes() == older
    load_run(out)
    assert names(tmp_path) == ["run", "run.training"]
    with pytest.raises(AesmError, match="E601"):
        train(spec, out, device="cpu", overrides=SHORT, resume=True)
    train(spec, out, device="cpu", overrides=SHORT, overwrite=True, resume=True)
    same(out, whole)


def test_a_run_of_another_spec_is_not_taken_for_the_one_that_is_asked_for(
    spec: Path, whole: Run, tmp_path: Path
) -> None:
    """`--overwrite` was killed before the training had a folder."""
    out = tmp_path / "run"
    train(spec, out, device="cpu", overrides=[*SHORT, "train.seed=9"])
    with pytest.raises(AesmError, match=r"E608.*`train.seed` is"):
        train(spec, out, device="cpu", overrides=SHORT, resume=True)
    train(spec, out, device="cpu", overrides=SHORT, overwrite=True, resume=True)
    same(out, whole)
    lock_path(out).write_text("")
    again = train(spec, out, device="cpu", overrides=[*SHORT, "train.checkpoint=none"], resume=True)
    assert again.scores == whole.scores
    assert names(tmp_path) == ["run"]


def dying_in_step(number: int) -> Any:
    step, left = Stepper.step, [number]

    def count(self: Stepper, *given: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return step(self, *given)

    return patch.object(Stepper, "step", count)


def test_two_kills_lose_no_line_of_the_log(spec: Path, whole: Run, tmp_path: Path) -> None:
    """The second one comes before the first line that the training writes after it was resumed."""
    out = tmp_path / "run"
    with dying_in_step(10), pytest.raises(KilledError):
        train(spec, out, device="cpu", overrides=SHORT)
    path = tmp_path / "run.training" / "log.jsonl"
    before = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in before if json.loads(line)["step"] <= 8]
    assert kept
    for killed in ("write_text", "_Lines"):
        with patch.object(log, killed, side_effect=KilledError), pytest.raises(KilledError):
            train(spec, out, device="cpu", overrides=SHORT, resume=True)
        assert [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= 8] == kept
    train(spec, out, device="cpu", overrides=SHORT, resume=True)
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[: len(kept)] == kept
    epochs = [json.loads(line)["epoch"] for line in lines if "epoch" in line]
    assert epochs == [epoch.epoch for epoch in whole.history]


def test_a_bad_line_and_stray_files_are_told(spec: Path, whole: Run, tmp_path: Path) -> None:
    out, told = tmp_path / "run", Findings()
    stopped(spec, out, 7, overrides=SHORT)
    path, checkpoints = tmp_path / "run.training" / "log.jsonl", tmp_path / "run.training" / "checkpoints"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_bytes("".join(["not JSON\n", '{"step": "3"}\n', *lines, "[1]\n"]).encode() + b"\xff\xfe\n" + b'{"st')
    (checkpoints / "step-last.safetensors").write_text("of the user")
    (checkpoints / "step-00000099.safetensors").mkdir()
    (checkpoints / "notes.txt").write_text("of the user")
    train(spec, out, device="cpu", overrides=SHORT, resume=True, warn=lambda found: told.extend(found.items))
    messages = [item.message for item in told if item.code == "W603"]
    assert len(messages) == 2
    assert "`notes.txt`, `step-00000099.safetensors`, `step-last.safetensors` are no checkpoints" in messages[0]
    assert messages[1].endswith("4 lines, the first of them line 1, cannot be read, and are left out")
    same(out, whole)
    assert (out / "log.jsonl").read_text(encoding="utf-8").startswith("".join(lines))


def test_a_disk_that_is_full_for_a_while(spec: Path, whole: Run, tmp_path: Path) -> None:
    """Checkpoints are missed, and lines of the log come later; the run is what it would have been."""
    out, told, calls = tmp_path / "run", Findings(), []
    write = checkpoint.write_tensors

    def sometimes(path: Path, *given: Any) -> None:
        calls.append(path)
        return full() if len(calls) == 2 else write(path, *given)

    with patch.object(checkpoint, "write_tensors", sometimes):
        train(spec, out, device="cpu", overrides=SHORT, warn=lambda found: told.extend(found.items))
    (warning,) = [item for item in told if item.code == "W607"]
    assert warning.message == "the checkpoint of step 8 cannot be written: no space left on device"
    assert "the last one is of step 4" in warning.help
    same(out, whole)


def test_a_full_disk_and_a_signal(spec: Path, whole: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with patch.object(checkpoint, "write_tensors", full), pytest.raises(StoppedError, match="no space left") as caught:
        signalled(spec, out, 3)
    assert caught.value.unsaved == "no space left on device"
    with pytest.raises(StoppedError) as caught:
        signalled(spec, out, 6)
    assert caught.value.unsaved == ""
    with patch.object(checkpoint, "write_tensors", full), pytest.raises(StoppedError):
        signalled(spec, out, 2, resume=True)
    assert RunInProgress.of(out).checkpoints.steps() == [4, 6]
    train(spec, out, device="cpu", overrides=SHORT, resume=True)
    same(out, whole)


def signalled(spec: Path, out: Path, after: int, **given: Any) -> None:
    """A training that gets a SIGINT in a step, and keeps its checkpoints."""
    step, left = Stepper.step, [after]

    def count(self: Stepper, *arguments: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), 2)
        return step(self, *arguments)

    with patch.object(Stepper, "step", count):
        train(spec, out, device="cpu", overrides=SHORT, **given)


def test_lines_wait_for_room(tmp_path: Path) -> None:
    lines = log._Lines(tmp_path / "log.jsonl")
    lines.append("one\n")
    real = lines._file

    class Full:
        """Takes three bytes of what is written, and then no more."""

        def __init__(self) -> None:
            self.fileno, self.truncate, self.left = real.fileno, real.truncate, 3

        def write(self, content: memoryview) -> int:
            if not self.left:
                full()
            count, self.left = real.write(content[: self.left]), 0
            return count

    lines._file = Full()  # type: ignore[assignment]
    for line in ("two\n", "three\n"):
        with pytest.raises(OSError, match="No space"):
            lines.append(line)
        assert (tmp_path / "log.jsonl").read_text() == "one\n"
    lines._file = real
    lines.append("four\n")
    lines.close()
    assert (tmp_path / "log.jsonl").read_text() == "one\ntwo\nthree\nfour\n"


@pytest.mark.parametrize("elsewhere", [True, False], ids=["room elsewhere", "no room anywhere"])
def test_a_full_disk_at_the_end_loses_nothing(
    spec: Path, whole: Run, tmp_path: Path, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "there" / "run", folder.write_tensors
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(rescue.tempfile, "tempdir", str(spare))

    def no_room(path: Path, *given: Any) -> None:
        return write(path, *given) if elsewhere and spare in path.parents else full()

    with patch.object(folder, "write_tensors", no_room), pytest.raises(AesmError) as caught:
        train(spec, out, device="cpu", overrides=SHORT)
    (item,) = caught.value.findings.errors
    assert item.code == "E613"
    assert f"`{out}" in item.message
    assert item.message.endswith("cannot be written: no space left on device")
    assert names(out.parent) == ["run.training"]
    assert "`--resume` goes on from step 12 once there is room" in item.help
    saved = list(spare.rglob("run.json"))
    assert len(saved) == elsewhere == len(list(spare.iterdir()))
    if elsewhere:
        assert f"`{saved[0].parent}`" in item.help[0]
        assert load_run(saved[0].parent).scores == whole.scores
    train(spec, out, device="cpu", overrides=SHORT, resume=True)
    same(out, whole)


def test_a_disk_that_is_full_from_the_start(spec: Path, tmp_path: Path) -> None:
    with (
        patch("aesm_dsl.training.run.run_in_progress.write_manifest", full),
        pytest.raises(AesmError, match=r"E613.*run\.training` cannot be written: no space left on device"),
    ):
        train(spec, tmp_path / "run", device="cpu", overrides=SHORT)
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(AesmError, match=r"E613.*cannot be written"):
        train(spec, tmp_path / "file" / "run", device="cpu", overrides=SHORT)


def test_the_umask_decides_for_every_file_of_a_run(spec: Path, tmp_path: Path) -> None:
    for umask in (0o077, 0o022):
        before = os.umask(umask)
        try:
            run = train(spec, tmp_path / f"{umask}" / "run", device="cpu", overrides=SHORT)
        finally:
            os.umask(before)
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (run.folder, *run.folder.rglob("*"))}
        assert modes <= {(True, 0o777 & ~umask), (False, 0o666 & ~umask)}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the spec": lambda at: (at / "spec.aesm").write_text("tasks {"),
    "no spec": lambda at: (at / "spec.aesm").unlink(),
    "the start": lambda at: (at / "start.json").write_text("{"),
    "no start": lambda at: (at / "start.json").unlink(),
    "a field": lambda at: (at / "start.json").write_text(
        json.dumps({**json.loads((at / "start.json").read_text()), "processes": "1"})
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_start_is_told(spec: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "run"
    stopped(spec, out, 5, overrides=SHORT)
    DAMAGES[name](tmp_path / "run.training")
    with pytest.raises(AesmError, match=r"E608.*the training in .*run\.training` cannot go on: `s"):
        train(spec, out, device="cpu", overrides=SHORT, resume=True)
    train(spec, out, device="cpu", overrides=["train.length=1 steps"], overwrite=True)
    assert names(tmp_path) == ["run"]


def test_which_folder_a_training_takes(spec: Path, tmp_path: Path) -> None:
    """One that was killed before its first checkpoint holds nothing; the next training takes its place."""
    out = tmp_path / "fund"
    with dying_in_step(1), pytest.raises(KilledError):
        train(spec, out, device="cpu", overrides=SHORT)
    shutil.copytree(spec.parent / "whole", tmp_path / "fund-2") if (spec.parent / "whole").exists() else None
    assert free_folder(out) == out
    stopped(spec, out, 5, overrides=SHORT, overwrite=True)
    assert free_folder(out) in (tmp_path / "fund-2", tmp_path / "fund-3")
    assert latest_in_progress(out) == out
    train(spec, out, device="cpu", overrides=SHORT, resume=True)
    assert latest_in_progress(tmp_path / "fund") == out
