"""Files and folders appear whole or not at all, with the permissions of the umask, and errors name their place."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aesm_dsl.files import whole
from aesm_dsl.files.temporary import PARTIAL, clear_leftovers, remove_folder, temporary, temporary_name
from aesm_dsl.files.whole import replaced, replaced_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_the_umask_decides_for_files_and_folders_alike(tmp_path: Path, umask: int) -> None:
    write_text(tmp_path / "file", "x")
    with replaced_folder(tmp_path / "folder") as new:
        # As libraries do that make a file for its owner alone, and move it into its place.
        os.close(os.open(new / "weights", os.O_CREAT | os.O_WRONLY, 0o600))
        (new / "below").mkdir()
        (new / "below" / "text").write_text("x")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {modes[path] for path in modes if path.is_file()} == {0o666 & ~umask}
    assert {modes[path] for path in modes if path.is_dir()} == {0o777 & ~umask}


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    (tmp_path / "file").chmod(0o640)
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with replaced_folder(tmp_path / "folder") as new:
        (new / "text").write_text("old")
    for make in (lambda: replaced(tmp_path / "file"), lambda: replaced_folder(tmp_path / "folder", overwrite=True)):
        with pytest.raises(RuntimeError), make():
            raise RuntimeError
    with pytest.raises(FileExistsError) as caught, replaced_folder(tmp_path / "folder"):
        pass
    assert caught.value.filename == str(tmp_path / "folder")
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "folder" / "text").read_text() == (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("swaps", [True, False])
def test_a_folder_is_replaced(tmp_path: Path, swaps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not swaps:
        monkeypatch.setattr(whole, "_swapped", lambda new, old: False)
    for text in ("old", "new"):
        with replaced_folder(tmp_path / "folder", overwrite=True) as new:
            (new / text).write_text(text)
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["new"]


def test_no_moment_is_without_one_of_the_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the file system can swap names, nothing is renamed away before."""
    with replaced_folder(tmp_path / "folder") as new:
        (new / "old").write_text("")
    missing = []
    for name in ("replace", "rename"):
        call = getattr(os, name)

        def watched(*given: object, call: object = call) -> None:
            call(*given)  # type: ignore[operator]
            missing.append(not (tmp_path / "folder").exists())

        monkeypatch.setattr(whole.os, name, watched)
    with replaced_folder(tmp_path / "folder", overwrite=True) as new:
        (new / "new").write_text("")
    assert not any(missing)
    assert names(tmp_path / "folder") == ["new"]


def test_what_was_moved_away_gets_its_name_back(tmp_path: Path) -> None:
    """As after a kill between the two renames where names cannot be swapped."""
    away = tmp_path / temporary_name("run", whole.OLD)
    away.mkdir()
    (away / "text").write_text("old")
    clear_leftovers(tmp_path)
    assert (tmp_path / "run" / "text").read_text() == "old"
    (tmp_path / temporary_name("run", whole.OLD)).mkdir()
    clear_leftovers(tmp_path)
    assert names(tmp_path) == ["run"]


KILLED = """
import os, sys
from pathlib import Path
from aesm_dsl.files.whole import replaced, replaced_folder
place, folder = Path(sys.argv[1]), sys.argv[2] == "folder"
with (replaced_folder if folder else replaced)(place) as new:
    (new / "text" if folder else new).write_text("half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_leaves_is_cleared(tmp_path: Path, kind: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "place"), kind], check=False)
    (left,) = names(tmp_path)
    assert left.endswith(PARTIAL)
    write_text(tmp_path / "another", "x")
    assert names(tmp_path) == ["another"]


def test_what_is_being_written_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / ".other.12345678.tmp").write_text("of another program")
    with temporary(tmp_path / "file", folder=False) as file, temporary(tmp_path / "folder", folder=True) as folder:
        clear_leftovers(tmp_path)
        assert file.exists()
        assert folder.exists()
    assert names(tmp_path) == [".other.12345678.tmp"]


def test_long_names(tmp_path: Path) -> None:
    name = "é" * 127
    write_text(tmp_path / name, "x")
    assert names(tmp_path) == [name]


def test_a_folder_loses_its_name_before_its_content(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError('Io error: Os { code: 28, kind: StorageFull, message: "No space left on device" }'),
        ValueError("cannot write: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_an_error_about_the_place(tmp_path: Path, error: Exception) -> None:
    for make in (replaced, replaced_folder):
        with pytest.raises(OSError, match="No space left on device") as caught, make(tmp_path / "place"):
            raise error
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "place"))
    with pytest.raises(OSError, match="No space left") as caught, replaced_folder(tmp_path / "place") as new:
        raise OSError(errno.ENOSPC, "No space left on device", str(new / "weights"))
    assert caught.value.filename == str(tmp_path / "place" / "weights")


def test_a_copy_that_finds_the_disk_full_is_named_and_not_its_original(tmp_path: Path) -> None:
    """As `shutil.copyfile` tells it: the original first, the copy second."""
    with pytest.raises(OSError, match="No space left") as caught, replaced_folder(tmp_path / "folder") as new:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "original", None, str(new / "events" / "copy"))
    assert caught.value.filename == str(tmp_path / "folder" / "events" / "copy")


def test_an_error_in_a_file_of_a_folder_names_both(tmp_path: Path) -> None:
    """Each is written under a temporary name of its own."""
    with (
        pytest.raises(OSError, match="No space") as caught,
        replaced_folder(tmp_path / "run") as new,
        replaced(new / "run.json") as file,
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(file))
    assert caught.value.filename == str(tmp_path / "run" / "run.json")


def test_an_error_about_another_file_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "scores.csv"):
        (tmp_path / "rows.csv").read_text()
    assert caught.value.filename == str(tmp_path / "rows.csv")
    with pytest.raises(RuntimeError, match="no number"), replaced(tmp_path / "scores.csv"):
        raise RuntimeError("no number")
