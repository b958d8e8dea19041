"""A folder is opened only as it was written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aesm_dsl.files.manifest import DamagedError, OtherFormatError, digests_of, open_manifest, write_manifest

VALUES = {"rows": 3, "device": "cpu"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "train").mkdir(parents=True)
    (folder / "a.json").write_text("{}")
    (folder / "train" / "ids.npy").write_bytes(b"12345")
    (folder / "log.txt").write_text("said")
    write_manifest(folder, "manifest.json", 3, VALUES)
    return folder


def opened(folder: Path) -> dict[str, Any]:
    return open_manifest(folder, "manifest.json", 3, required=("a.json",), may_be_removed=("log.txt",))


def test_what_was_written_is_opened(folder: Path) -> None:
    assert opened(folder) == VALUES
    assert sorted(digests_of(folder, "manifest.json")) == ["a.json", "log.txt", "train/ids.npy"]
    (folder / "notes.txt").write_text("of the user")
    (folder / "log.txt").unlink()
    assert opened(folder) == VALUES


def edited(**fields: object) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return edit


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a part is changed": (lambda at: (at / "a.json").write_text("[]"), "`a.json` changed since it was written"),
    "a part is cut": (
        lambda at: (at / "train/ids.npy").write_bytes(b"1234"),
        "`train/ids.npy` changed since it was written",
    ),
    "a part is missing": (lambda at: (at / "a.json").unlink(), "`a.json` missing"),
    "a folder is missing": (lambda at: shutil.rmtree(at / "train"), "`train/ids.npy` missing"),
    "what may be removed is changed": (
        lambda at: (at / "log.txt").write_text("other"),
        "`log.txt` changed since it was written",
    ),
    "two at once": (
        lambda at: ((at / "a.json").write_text("[]"), (at / "train/ids.npy").unlink()),
        "`train/ids.npy` missing; `a.json` changed since it was written",
    ),
    "no manifest": (lambda at: (at / "manifest.json").unlink(), "`manifest.json` missing"),
    "no JSON": (lambda at: (at / "manifest.json").write_text("{"), "`manifest.json` is no manifest"),
    "deep JSON": (lambda at: (at / "manifest.json").write_text("[" * 100_000), "`manifest.json` is no manifest"),
    "no digests": (edited(sha256=[]), "`manifest.json` is no manifest"),
    "digests that are no texts": (edited(sha256={"a.json": 3}), "`manifest.json` is no manifest"),
    "another value": (edited(rows=4), "`manifest.json` changed since it was written"),
    "a value of another type": (edited(rows="3"), "`manifest.json` changed since it was written"),
    "a value more": (edited(more=1), "`manifest.json` changed since it was written"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_was_not_is_refused(folder: Path, name: str) -> None:
    damage, said = DAMAGES[name]
    damage(folder)
    with pytest.raises(DamagedError) as caught:
        opened(folder)
    assert str(caught.value) == said


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "a.json", tmp_path / "a.json")
    (folder / "a.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(DamagedError, match=r"`a.json` leads elsewhere"):
        opened(folder)
    (folder / "a.json").unlink()
    shutil.move(tmp_path / "a.json", folder / "a.json")
    shutil.move(folder / "train", tmp_path / "train")
    (folder / "train").symlink_to(tmp_path / "train")
    with pytest.raises(DamagedError, match=r"`train/ids.npy` leads elsewhere"):
        opened(folder)


def test_a_part_that_every_folder_has_cannot_be_left_out(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "a.json").rename(folder.parent / "a.json")
    write_manifest(folder, "manifest.json", 3, VALUES)
    (folder.parent / "a.json").rename(folder / "a.json")
    with pytest.raises(DamagedError, match=r"`a.json` changed"):
        opened(folder)


def test_another_format_is_told_apart(folder: Path) -> None:
    edited(format=2)(folder)
    with pytest.raises(OtherFormatError, match="it has format 2, this version reads format 3"):
        opened(folder)
