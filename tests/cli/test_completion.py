"""The command line completes its words in bash, through the script that `aesm --show-completion bash` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aesm_dsl.cli.main import app

BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="needs bash")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with specs, a table, a run, and one that is not finished."""
    for name in (
        "fund.aesm",
        "notes.txt",
        "specs/hotel.aesm",
        "specs/shared/features.aesm",
        "specs/.hidden/old.aesm",
        "two words/fund.aesm",
        "data/train.parquet",
        "runs/first/run.json",
        "runs/first/spec.aesm",
        "runs/second.training/spec.aesm",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    return tmp_path


def bash(script: str, folder: Path, *words: str) -> list[str]:
    """The lines that a script prints, with `aesm` of this environment on the path."""
    assert BASH is not None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder), "TERM": "dumb"}
    env = {name: value for name, value in env.items() if not name.startswith(("COMP_", "_AESM"))}
    # `exit` keeps bash from becoming its last command: aesm asks which shell has started it.
    done = subprocess.run(
        [BASH, "--norc", "-c", f"{script}\nexit $?", "bash", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if line]


def through_bash(folder: Path, *words: str) -> list[str]:
    """What the shell is offered for the last word of a line."""
    script = (
        'source <(aesm --show-completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "_aesm_completion aesm; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return bash(script, folder, *words)


def offered(folder: Path, *words: str) -> list[str]:
    """The same, without a shell: what the script hands on is handed on here."""
    env = {"_AESM_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    with chdir(folder):
        done = CliRunner().invoke(app, [], prog_name="aesm", env=env)
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_a_shell_is_offered_the_same(folder: Path) -> None:
    for words in (("train", "fund.aesm", "--arch", "s"), ("check", "fund.aesm", "sp"), ("check", "two")):
        assert through_bash(folder, "aesm", *words) == offered(folder, "aesm", *words)


def test_commands_and_options(folder: Path) -> None:
    assert offered(folder, "aesm", "exp") == ["explain", "experts", "export"]
    assert {"--arch", "--resume", "--set", "--warm-start"} <= set(offered(folder, "aesm", "train", "--"))
    assert offered(folder, "aesm", "train", "fund.aesm", "--arch", "s") == ["shared_bottom", "star", "single"]
    assert offered(folder, "aesm", "train", "fund.aesm", "--device", "c") == ["cpu", "cuda"]


def test_specs_are_offered_whole_and_what_a_run_holds_is_not(folder: Path) -> None:
    specs = ["fund.aesm", "specs/hotel.aesm", "specs/shared/features.aesm"]
    for command in ("check", "train", "compile", "show", "fmt"):
        assert offered(folder, "aesm", command, "") == specs, command
    assert offered(folder, "aesm", "check", "fund.aesm", "sp") == specs[1:]
    assert offered(folder, "aesm", "check", "specs/sh") == specs[2:]
    assert offered(folder, "aesm", "check", f"{folder}/fu") == [f"{folder}/fund.aesm"]


def test_runs_and_tables(folder: Path) -> None:
    assert offered(folder, "aesm", "evaluate", "") == ["runs/first"]
    assert offered(folder, "aesm", "predict", "runs/first", "") == ["data/train.parquet"]
    assert offered(folder, "aesm", "train", "fund.aesm", "--warm-start", "r") == ["runs/first"]
    assert offered(folder, "aesm", "visualize", "") == [
        "fund.aesm",
        "runs/first",
        "specs/hotel.aesm",
        "specs/shared/features.aesm",
    ]
    assert offered(folder, "aesm", "init", "da") == ["data/train.parquet"]


def test_codes_and_rivals(folder: Path) -> None:
    assert "E203" in offered(folder, "aesm", "explain", "E20")
    assert all(code.startswith("E20") for code in offered(folder, "aesm", "explain", "E20"))
    assert offered(folder, "aesm", "compare", "fund.aesm", "--with", "mm") == ["mmoe"]
    assert offered(folder, "aesm", "compare", "fund.aesm", "--with", "star,s") == [
        "star,shared_bottom",
        "star,single",
    ]


def test_where_nothing_fits_the_shell_goes_on(folder: Path) -> None:
    assert offered(folder, "aesm", "check", "two") == []
    assert offered(folder, "aesm", "check", "no/such/folder/") == []
    script = bash("aesm --show-completion bash", folder)
    assert "complete -o default -F _aesm_completion aesm" in script


def test_it_is_installed_for_the_next_shell(folder: Path) -> None:
    bash("aesm --install-completion bash >/dev/null", folder)
    script = "source ~/.bashrc; complete -p aesm"
    assert bash(script, folder) == ["complete -o default -F _aesm_completion aesm"]
