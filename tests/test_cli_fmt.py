"""`aesm fmt`, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aesm_dsl.cli.main import app

UGLY = "aesm=1\r\nmodel m {tasks{}  } # c"
NICE = "aesm = 1\nmodel m { tasks {} }  # c\n"


def fmt(*arguments: str | Path, typed: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["fmt", *map(str, arguments)], input=typed)


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    path = tmp_path / "ugly.aesm"
    path.write_bytes(UGLY.encode())
    return path


def test_a_file_is_rewritten_once_and_keeps_its_mode(ugly: Path) -> None:
    ugly.chmod(0o640)
    done = fmt(ugly)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"formatted {ugly}\n")
    assert ugly.read_bytes() == NICE.encode()
    assert ugly.stat().st_mode & 0o777 == 0o640
    before = ugly.stat()
    done = fmt(ugly)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (ugly.stat().st_ino, ugly.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in ugly.parent.iterdir()] == ["ugly.aesm"]


def test_a_link_stays_a_link(ugly: Path) -> None:
    link = ugly.with_name("link.aesm")
    link.symlink_to(ugly)
    assert fmt(link).exit_code == 0
    assert link.is_symlink()
    assert ugly.read_text() == NICE


def test_check_names_what_would_change(ugly: Path) -> None:
    nice = ugly.with_name("nice.aesm")
    nice.write_text(NICE)
    done = fmt("--check", ugly, nice)
    assert (done.exit_code, done.stdout) == (1, f"{ugly}\n")
    assert done.stderr == "2 files: 1 would change, 1 as they should be\n"
    assert ugly.read_bytes() == UGLY.encode()
    assert fmt("--check", nice).exit_code == 0


def test_diff_shows_and_changes_nothing(ugly: Path) -> None:
    done = fmt("--diff", ugly)
    assert done.exit_code == 0
    assert "-aesm=1\r\n" in done.stdout_bytes.decode()
    assert "-model m {tasks{}  } # c\n\\ No newline at end of file\n" in done.stdout
    assert "+model m { tasks {} }  # c\n" in done.stdout
    assert ugly.read_bytes() == UGLY.encode()
    assert fmt("--diff", "--check", ugly).exit_code == 1


def test_it_goes_on_after_a_faulty_file(ugly: Path) -> None:
    faulty = ugly.with_name("faulty.aesm")
    faulty.write_text("model m {\n  x =\n}\n")
    done = fmt(faulty, ugly.with_name("none.aesm"), ugly)
    assert done.exit_code == 1
    assert "faulty.aesm:2:5" in done.stderr
    assert "no file" in done.stderr
    assert "3 files: 1 formatted, 2 with mistakes" in done.stderr
    assert faulty.read_text() == "model m {\n  x =\n}\n"
    assert ugly.read_text() == NICE


def test_fix_writes_the_keys_that_are_meant(ugly: Path) -> None:
    ugly.write_text("aesm ＝ 1\nmodel m ｛｝\n")
    done = fmt(ugly)
    assert done.exit_code == 1
    assert "E102" in done.stderr
    assert "aesm fmt --fix" in done.stderr
    assert fmt("--fix", ugly).exit_code == 0
    assert ugly.read_text() == "aesm = 1\nmodel m {}\n"


def test_standard_input_goes_to_standard_output() -> None:
    done = fmt("-", typed=UGLY)
    assert (done.exit_code, done.stdout, done.stderr) == (0, NICE, "")
    done = fmt("-", typed="model {")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "<stdin>:1:" in done.stderr
    assert fmt("--check", "-", typed=UGLY).stdout == "<stdin>\n"
    assert "not UTF-8" in fmt("-", typed=b"\xff").stderr


def test_json_is_not_formatted(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text("{}")
    done = fmt(path)
    assert done.exit_code == 1
    assert "is JSON" in done.stderr


def test_no_file_is_wrong_usage() -> None:
    assert fmt().exit_code == 2
