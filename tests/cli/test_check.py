"""`aesm check`, as typed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aesm_dsl.cli.main import app
from tests.conftest import PROJECT
from tests.worlds import THREE_LEVELS, write

WRONG = THREE_LEVELS.replace("node ad { under = search }", "node ad { under = serch }")


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, THREE_LEVELS, "fine.aesm")
    write(tmp_path, WRONG, "wrong.aesm")
    return tmp_path


def test_a_sound_spec(folder: Path) -> None:
    done = check("fine.aesm")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "1 spec checked, no findings\n")


def test_a_mistake_is_shown_at_its_place(folder: Path) -> None:
    done = check("wrong.aesm")
    assert (done.exit_code, done.stderr) == (1, "")
    assert (
        done.stdout
        == """\
error[E203]: no node called `serch` in level `page`
  --> wrong.aesm:21:23
   |
21 |     node ad { under = serch }
   |                       ^^^^^ not declared
   |
   = help: did you mean `search`?
   = help: the nodes of `page` are `home`, `search`

1 error
"""
    )


def test_several_specs_are_told_together(folder: Path) -> None:
    write(folder, "model m {\n  batch: 3\n}\n", "a.aesm")
    done = check("wrong.aesm", "fine.aesm", "a.aesm", "none.aesm", "--format", "concise")
    assert done.exit_code == 1
    assert (
        done.stdout
        == """\
a.aesm:1:1: warning[W101] the language edition is not stated
a.aesm:2:8: error[E107] unexpected `:` after a name at the start of a line
wrong.aesm:21:23: error[E203] no node called `serch` in level `page`
error[E110] no file `none.aesm`
"""
    )


def test_folders_stand_for_the_specs_below_them(folder: Path) -> None:
    for name in ("some", "none", "some/.hidden"):
        (folder / name).mkdir()
    write(folder, THREE_LEVELS, "some/a.aesm")
    write(folder, "features user { age = number() }\n", "some/groups.aesm")
    write(folder, WRONG, "some/.hidden/b.aesm")
    done = check("some", "fine.aesm", "some/a.aesm", "--format", "concise")
    assert (done.exit_code, done.stdout) == (
        0,
        "some/groups.aesm:1:1: warning[W101] the language edition is not stated\n",
    )
    assert check("fine.aesm", "fine.aesm").stderr == "1 spec checked, no findings\n"
    done = check("none", "some", "--format", "json")
    assert done.exit_code == 1
    assert [one["message"] for one in json.loads(done.stdout)][1:] == ["no .aesm file in the folder `none`"]


def test_warnings_alone_are_no_failure(folder: Path) -> None:
    write(folder, THREE_LEVELS.replace("aesm = 1\n", ""), "old.aesm")
    done = check("old.aesm")
    assert done.exit_code == 0
    assert done.stdout.startswith("warning[W101]")
    assert done.stdout.endswith("\n1 warning\n")


def test_programs_get_json_and_github_its_annotations(folder: Path) -> None:
    done = check("wrong.aesm", "--format", "json")
    (item,) = json.loads(done.stdout)
    assert (done.exit_code, item["code"], item["place"]["path"], item["place"]["line"]) == (1, "E203", "wrong.aesm", 21)
    assert json.loads(check("fine.aesm", "--format", "json").stdout) == []
    assert check("wrong.aesm", "--format", "github").stdout.startswith("::error file=wrong.aesm,line=21,col=23,")
    assert check("fine.aesm", "--format", "github").stdout == ""
    assert check("fine.aesm", "--format", "concise").stderr == ""


def test_set_takes_the_same_checks(folder: Path) -> None:
    done = check("fine.aesm", "--set", "level.card.experts.count=0")
    assert done.exit_code == 1
    assert "--> --set:1:" in done.stdout
    assert check("fine.aesm", "--set", "level.card.experts.count=4").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("fine.aesm", "--format", "xml"), ("fine.aesm", "--colour")])
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    done = check(*arguments)
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_the_data_too(folder: Path) -> None:
    spec = write(folder, THREE_LEVELS.rstrip()[:-1] + '  data { train = "rows.csv" }\n}\n', "data.aesm")
    assert check(spec.name).exit_code == 0
    done = check(spec.name, "--data")
    assert done.exit_code == 1
    assert "error[E501]: no file `rows.csv`" in done.stdout
    assert "data.aesm:30:18" in done.stdout


def typed(folder: Path, **environment: str) -> str:
    """What a terminal shows of `aesm check wrong.aesm`."""
    ours, theirs = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environment
    variables["PYTHONPATH"] = str(PROJECT)
    command = [sys.executable, "-c", "from aesm_dsl.cli.main import main; main()", "check", "wrong.aesm"]
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:
            pass  # the other end was closed
    os.close(ours)
    assert running.returncode == 1
    return seen.decode("utf-8")


def test_colour_is_for_terminals_that_want_it(folder: Path) -> None:
    assert "\x1b[1;31merror[E203]\x1b[0m" in typed(folder)
    assert "\x1b[" not in typed(folder, NO_COLOR="1")
    assert "\x1b[" not in check("wrong.aesm").stdout
