"""Encoders fitted and tables encoded in streamed passes, and what is kept of it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl.data import prepare as preparing
from aesm_dsl.data.cache_eviction import RETENTION_DAYS
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.prepare import Prepared, prepare
from aesm_dsl.data.reading import files
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.data.store import cache
from aesm_dsl.data.store.storage import FolderWriter, RowsLostError
from aesm_dsl.files.manifest import write_manifest
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.data import DataPlan, SplitPlan
from aesm_dsl.plan.plan import Plan
from tests.data.plans import Make, fit_encoders

make = Make()
ROWS = 1000


def frame() -> pl.DataFrame:
    chance = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "age": chance.normal(size=ROWS),
            "city": chance.integers(0, 40, ROWS),
            "entry": np.where(np.arange(ROWS) < 990, "search", "search"),
            "y": chance.integers(0, 2, ROWS),
            "day": np.arange(ROWS) // 100,
        }
    )


def plan(folder: Path, **data: object) -> Plan:
    return make.plan(
        [make.feature("age", "number", 9), make.feature("city", "category", 99)],
        [make.level("entry", "entry", {"search": (), "wealth": ()})],
        data=DataPlan(
            **{  # type: ignore[arg-type]
                "train": ("train.parquet",),
                "valid": SplitPlan("random", None, None, 0.2),
                "test": SplitPlan("last", "day", None, 0.2),
                "weight": None,
                "cache": str(folder / "cache"),
                **data,
            }
        ),
    )


def prepared(made: Plan, folder: Path, findings: Findings | None = None) -> Prepared:
    found = prepare(made, [folder], findings or Findings(), lambda key: None)
    assert found is not None
    return found


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").iterdir() if not path.name.endswith(".lock"))


def same(first: Prepared, second: Prepared) -> bool:
    assert first.encoders == second.encoders
    for part in ("train", "valid", "test"):
        one, other = (getattr(found.tables, part).whole().parts for found in (first, second))
        assert all(torch.equal(a.nan_to_num(-9), b.nan_to_num(-9)) for a, b in zip(one, other, strict=True))
    return True


def test_chunks_of_any_size_prepare_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frame()
    whole.write_parquet(tmp_path / "train.parquet", row_group_size=130)
    made = plan(tmp_path)
    once = prepared(made, tmp_path)
    assert once.tables.test is not None
    assert once.tables.valid is not None
    assert len(once.tables.test) == 200
    assert 100 < len(once.tables.valid) < 220
    assert len(once.tables.train) + len(once.tables.valid) == 800
    first = replace(made, data=replace(made.data, cache=str(tmp_path / "other")))  # type: ignore[type-var]
    monkeypatch.setattr(files.read_chunks, "__defaults__", (77,))
    assert same(once, prepared(first, tmp_path))
    # The same rows from memory, cut in other places, and by hand.
    frames = [whole[start : start + 301] for start in range(0, ROWS, 301)]
    for data in (whole, frames, lambda: iter(frames), whole.lazy(), whole.to_dict()):
        findings = Findings()
        found = prepare(made, [], findings, lambda key: None, open_frames(data, "rows", findings))
        assert not findings.errors
        assert found is not None
        assert same(once, found)
    plain = replace(made, data=replace(made.data, valid=None, test=None))  # type: ignore[type-var]
    assert prepared(plain, tmp_path).encoders == fit_encoders(made, whole)


def test_a_kept_table_is_used_again_and_warns_again(
    tmp_path: Path, locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    made, findings = plan(tmp_path), Findings()
    first = prepare(made, [tmp_path], findings, locate)
    assert first is not None
    assert [one.code for one in findings] == ["W502"]
    monkeypatch.setattr(preparing, "_make_entry", None)
    again = Findings()
    second = prepare(made, [tmp_path], again, locate)
    assert second is not None
    assert same(first, second)
    assert again.items == findings.items
    assert len(entries(tmp_path)) == 1


def test_whatever_decides_what_is_in_it_makes_another_entry(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    made = plan(tmp_path)
    data = made.data
    assert data is not None
    age, city = made.features
    others = [
        replace(made, features=(replace(age, rows=5), city)),
        replace(made, data=replace(data, valid=None)),
        replace(made, training=replace(made.training, seed=8)),
        replace(made, levels=(replace(made.levels[0], unknown=True),)),
    ]
    for number, one in enumerate([made, *others], 1):
        prepared(one, tmp_path)
        assert len(entries(tmp_path)) == number
    # Nothing else does: how the model learns is not in the tables.
    prepared(replace(made, training=replace(made.training, rate=0.5)), tmp_path)
    assert len(entries(tmp_path)) == 5
    frame().with_columns(pl.col("y").reverse()).write_parquet(tmp_path / "train.parquet")
    changed = prepared(made, tmp_path)
    assert len(entries(tmp_path)) == 6
    assert torch.equal(
        changed.tables.test.label_RT[:, 0], torch.from_numpy(frame()["y"].to_numpy()[199::-1].copy()).float()
    )  # type: ignore[union-attr]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, locate: Locate, monkeypatch: pytest.MonkeyPatch) -> None:
    frame().write_parquet(tmp_path / "train.parquet")

    def full(self: FolderWriter, *parts: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FolderWriter, "append", full)
    findings = Findings()
    assert prepare(plan(tmp_path), [tmp_path], findings, locate) is None
    (one,) = findings.errors
    assert (one.code, one.label) == ("E510", "no space left on device")
    assert one.span is not None
    assert one.span.text == "data.cache"
    assert entries(tmp_path) == []


def test_a_disk_that_is_full_at_the_last_byte(tmp_path: Path, locate: Locate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written only fills the buffer: it fails when the file is closed."""
    frame().write_parquet(tmp_path / "train.parquet")
    opened = Path.open

    def full(path: Path, mode: str = "r", *how: Any, **more: Any) -> Any:
        return opened(Path("/dev/full") if path.name == "weight.npy" else path, mode, *how, **more)

    monkeypatch.setattr(Path, "open", full)
    findings = Findings()
    assert prepare(plan(tmp_path), [tmp_path], findings, locate) is None
    assert [(one.code, one.label) for one in findings.errors] == [("E510", "no space left on device")]
    assert entries(tmp_path) == []


def test_files_that_are_gone_between_fitting_and_encoding(
    tmp_path: Path, locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        frame().write_parquet(tmp_path / f"{name}.parquet")
    fit = preparing._fit

    def then(*given: Any) -> Any:
        found = fit(*given)
        (tmp_path / "a.parquet").unlink()
        return found

    monkeypatch.setattr(preparing, "_fit", then)
    findings = Findings()
    assert prepare(plan(tmp_path, train=("*.parquet",)), [tmp_path], findings, locate) is None
    assert ("E502", "no such file or directory") in [(one.code, one.label) for one in findings.errors]
    assert entries(tmp_path) == []


def test_tables_that_are_encoded_are_not_needed_any_more(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    found = prepared(plan(tmp_path), tmp_path)
    (tmp_path / "train.parquet").unlink()
    assert sum(batch.rows for batch in found.tables.train.batches(64, seed=1)) == len(found.tables.train)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(RowsLostError, match=re.escape(str(tmp_path / "cache"))):
        list(found.tables.train.batches(64))


def test_a_file_that_is_removed_or_written_to_while_it_is_read(
    tmp_path: Path, locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = preparing._encode
    for message, change in (
        (f"`{tmp_path}/train.parquet` was removed while it was read", lambda path: path.unlink()),
        ("the data files were written to while they were read", lambda path: frame()[:50].write_parquet(path)),
    ):
        frame().write_parquet(tmp_path / "train.parquet")

        def then(*given: object, change: object = change) -> None:
            encode(*given)  # type: ignore[arg-type]
            change(tmp_path / "train.parquet")  # type: ignore[operator]

        monkeypatch.setattr(preparing, "_encode", then)
        findings = Findings()
        assert prepare(plan(tmp_path), [tmp_path], findings, locate) is None
        assert [(one.code, one.message) for one in findings.errors] == [("E502", message)]
        assert entries(tmp_path) == []


def zeroed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:128] + b"\0" * (path.stat().st_size - 128))


def low_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "labels are zeroed": lambda entry: zeroed(entry / "train/label.npy"),
    "labels are those of other rows": lambda entry: shutil.copy(entry / "test/label.npy", entry / "valid/label.npy"),
    "a bit of an id": lambda entry: low_bit(entry / "test/ids.npy"),
    "a bit of a weight": lambda entry: low_bit(entry / "train/weight.npy"),
    "a file is cut": lambda entry: os.truncate(entry / "train/weight.npy", 1000),
    "a file is empty": lambda entry: (entry / "train/node.npy").write_bytes(b""),
    "a file is missing": lambda entry: (entry / "train/user.npy").unlink(),
    "a part is missing": lambda entry: shutil.rmtree(entry / "valid"),
    "a part too many": lambda entry: shutil.copytree(entry / "test", entry / "extra"),
    "two parts are swapped": lambda entry: (
        (entry / "test").rename(entry / "x"),
        (entry / "valid").rename(entry / "test"),
        (entry / "x").rename(entry / "valid"),
    ),
    "encoders": lambda entry: (entry / "encoders.json").write_text("{}"),
    "findings": lambda entry: (entry / "findings.json").write_text("["),
    "the profile": lambda entry: (entry / "profile.json").unlink(),
    "the manifest": lambda entry: (entry / "entry.json").write_text("{}"),
    "everything": lambda entry: [path.unlink() for path in entry.rglob("*") if path.is_file()],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_entry_is_made_anew(tmp_path: Path, locate: Locate, name: str) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    made, findings = plan(tmp_path), Findings()
    first = prepare(made, [tmp_path], findings, locate)
    assert first is not None
    rows = [part.whole().parts for part in (first.tables.train, first.tables.valid, first.tables.test) if part]
    (entry,) = entries(tmp_path)
    DAMAGES[name](tmp_path / "cache" / entry)
    for codes in (["W502"], ["W502"]) if name == "a part too many" else (["W502", "W528"], ["W502"]):
        told = Findings()
        again = prepare(made, [tmp_path], told, locate)
        assert [one.code for one in told] == codes
        assert again is not None
        assert again.encoders == first.encoders
        assert again.profile == first.profile
        parts = [part.whole().parts for part in (again.tables.train, again.tables.valid, again.tables.test) if part]
        for one, other in zip(rows, parts, strict=True):
            assert all(torch.equal(a.nan_to_num(-9), b.nan_to_num(-9)) for a, b in zip(one, other, strict=True))
    assert entries(tmp_path) == [entry]


def sealed(entry: Path) -> None:
    """With new digests, as one who changes the files by hand might do."""
    (entry / "entry.json").unlink()
    write_manifest(entry, "entry.json", cache.FORMAT, {})


FORGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another type": (
        lambda entry: np.save(entry / "train/label.npy", np.zeros((640, 1))),
        "`train/label.npy` holds float64",
    ),
    "fewer rows": (
        lambda entry: np.save(entry / "test/node.npy", np.zeros((3, 1), np.int32)),
        "`test/node.npy` holds int32 of shape [3, 1]",
    ),
    "other features": (
        lambda entry: (entry / "encoders.json").write_text('{"format": 4, "features": []}'),
        "`encoders.json`: they are not",
    ),
    "findings that are none": (lambda entry: (entry / "findings.json").write_text('[["W502", 3]]'), "[0]"),
    "a profile that is none": (lambda entry: (entry / "profile.json").write_text("3"), "its parts are not"),
    "no training rows": (lambda entry: shutil.rmtree(entry / "train"), "its parts are not"),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_entry_of_other_shapes_is_made_anew(tmp_path: Path, locate: Locate, name: str) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    made, told = plan(tmp_path), Findings()
    first = prepared(made, tmp_path)
    change, label = FORGED[name]
    change(tmp_path / "cache" / entries(tmp_path)[0])
    sealed(tmp_path / "cache" / entries(tmp_path)[0])
    again = prepare(made, [tmp_path], told, locate)
    assert again is not None
    assert same(first, again)
    (one,) = [one for one in told if one.code == "W528"]
    assert label in one.label


def test_entries_that_nobody_used_for_long_are_removed(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    made = plan(tmp_path)
    prepared(made, tmp_path)
    prepared(replace(made, training=replace(made.training, seed=8)), tmp_path)
    for number, name in enumerate(entries(tmp_path)):
        age = time.time() - (RETENTION_DAYS + 1) * 86_400 * number
        os.utime(tmp_path / "cache" / name, (age, age))
    kept = entries(tmp_path)[0]
    prepared(replace(made, training=replace(made.training, seed=9)), tmp_path)
    assert kept in entries(tmp_path)
    assert len(entries(tmp_path)) == 2


def prepare_there(folder: Path, results: multiprocessing.Queue[tuple[int, float]]) -> None:
    found = prepared(plan(folder), folder)
    results.put((len(found.tables.train), float(found.tables.train.label_RT.nansum())))


def test_two_processes_at_once_make_one_entry(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "train.parquet")
    there = multiprocessing.get_context("spawn")
    results = there.Queue()
    both = [there.Process(target=prepare_there, args=(tmp_path, results)) for _ in range(2)]
    for one in both:
        one.start()
    first, second = results.get(timeout=120), results.get(timeout=120)
    for one in both:
        one.join()
    assert first == second
    assert len(entries(tmp_path)) == 1


def test_what_is_no_table(tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield frame()

    for data, code, message in (
        (frames(), "E502", "the table can be iterated only once, but is read more than once"),
        (7, "E502", "the table cannot be read as a table: `int` is no table"),
        ([], "E505", "no rows in the table"),
        ([1, 2], "E502", "the table cannot be read as a table: `int` is no table"),
    ):
        findings = Findings()
        assert open_frames(data, "the table", findings) == []
        assert [(one.code, one.message) for one in findings] == [(code, message)]
