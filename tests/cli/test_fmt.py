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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two ugly files, a nice one, one with a mistake, and what is none of ours."""
    files = {"a.aesm": UGLY, "below/b.aesm": UGLY, "below/nice.aesm": NICE, "below/wrong.aesm": "model m {\n  x =\n}\n"}
    files |= {".hidden/c.aesm": UGLY, "below/.d.aesm": UGLY, "notes.txt": UGLY}
    for name, text in files.items():
        path = tmp_path / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path / "specs"


def test_a_folder_is_all_specs_below_it_but_hidden_ones(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = fmt("--check", folder)
    assert (done.exit_code, done.stdout) == (1, f"{folder}/a.aesm\n{folder}/below/b.aesm\n")
    assert done.stderr.endswith("4 files: 2 would change, 1 as they should be, 1 with mistakes\n")
    assert fmt("--diff", folder).stdout.count("\n+aesm = 1\n") == 2
    assert {path: path.read_bytes() for path in before} == before
    done = fmt(folder)
    assert done.exit_code == 1
    assert done.stderr.endswith("4 files: 2 formatted, 1 as they should be, 1 with mistakes\n")
    changed = {path.relative_to(folder).as_posix() for path, text in before.items() if path.read_bytes() != text}
    assert changed == {"a.aesm", "below/b.aesm"}
    assert (folder / "below" / "b.aesm").read_text() == NICE


def test_a_file_that_is_named_twice_is_formatted_once(folder: Path) -> None:
    done = fmt(folder / "a.aesm", folder, folder / "below")
    assert done.stderr.count("formatted ") == 2
    assert "4 files: " in done.stderr


def test_a_folder_without_specs_is_told(folder: Path) -> None:
    (folder / "none").mkdir()
    done = fmt(folder / "none", folder / "a.aesm")
    assert done.exit_code == 1
    assert f"no .aesm file in the folder `{folder}/none`" in done.stderr
    assert (folder / "a.aesm").read_text() == NICE


def test_fix_writes_keys_and_a_missing_edition_together(ugly: Path) -> None:
    ugly.write_text("## 店\nmodel m ｛ tasks｛task click “点，击”｝ ｝\n")
    assert fmt("--check", "--fix", ugly).exit_code == 1
    assert fmt("--fix", ugly).exit_code == 0
    assert ugly.read_text() == 'aesm = 1\n\n## 店\nmodel m { tasks { task click "点，击" } }\n'
    assert fmt("--check", ugly).exit_code == 0


def test_fix_leaves_a_file_alone_that_has_other_mistakes(ugly: Path) -> None:
    text = "aesm ＝ 1\nmodel m ｛\n"
    ugly.write_text(text)
    assert fmt("--fix", ugly).exit_code == 1
    assert ugly.read_text() == text


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
