"""Paths as users write them, and files as users have them."""

from __future__ import annotations

import errno
import gzip
import os
import sys
from pathlib import Path

import fsspec
import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.reading.files import TableRows, find_files, read_chunks
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings


def put(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns)
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def rows_of(patterns: list[str], *roots: Path, rows: int = 1000) -> list[TableRows]:
    findings = Findings()
    found = list(read_chunks(find_files(patterns, roots, None, findings), None, None, findings, rows))
    assert not findings.items
    return found


def cells(found: list[TableRows], column: str = "x") -> list[object]:
    return [cell for rows in found for cell in rows.frame[column].to_list()]


def names(found: list[TableRows]) -> list[str]:
    return [rows.file for rows in found]


def told(patterns: list[str], *roots: Path) -> list[tuple[str, str, str, str]]:
    findings = Findings()
    files = find_files(patterns, roots, None, findings)
    if files:
        list(read_chunks(files, None, None, findings))
    return [(one.code, one.message, one.label, " | ".join(one.help)) for one in findings]


def test_globs_lists_and_folders_in_the_order_of_names(tmp_path: Path) -> None:
    for i, name in enumerate(("day/b.parquet", "day/a.parquet", "day/sub/c.parquet", "other.csv")):
        put(tmp_path / name, x=[i])
    put(tmp_path / "day" / "_temporary" / "0.parquet", x=[99])
    (tmp_path / "day" / "_SUCCESS").touch()
    assert names(rows_of(["day/*.parquet"], tmp_path)) == ["day/a.parquet", "day/b.parquet"]
    assert cells(rows_of(["day"], tmp_path)) == [1, 0, 2]
    assert len(cells(rows_of(["other.csv", "day/**/*.parquet"], tmp_path))) >= 4
    twice = rows_of(["day/a.parquet", "day/*.parquet"], tmp_path)
    assert cells(twice) == [1, 0]


def test_the_first_root_with_a_match_wins(tmp_path: Path) -> None:
    put(tmp_path / "two" / "x.parquet", x=[2])
    assert cells(rows_of(["x.parquet"], tmp_path / "one", tmp_path / "two")) == [2]
    put(tmp_path / "one" / "x.parquet", x=[1])
    assert cells(rows_of(["x.parquet"], tmp_path / "one", tmp_path / "two")) == [1]
    absolute = str(tmp_path / "two" / "x.parquet")
    assert names(rows_of([absolute], tmp_path / "one")) == [absolute]
    assert cells(rows_of([str(tmp_path / "*" / "x.parquet")])) == [1, 2]


def test_a_name_that_looks_like_a_glob_is_a_name_first(tmp_path: Path) -> None:
    put(tmp_path / "x[1].parquet", x=[1])
    assert cells(rows_of(["x[1].parquet"], tmp_path)) == [1]


def test_no_file_says_every_place(tmp_path: Path) -> None:
    put(tmp_path / "b" / "train.parquet", x=[1])
    found = told(["trian.parquet", "none/*.csv"], tmp_path / "a", tmp_path / "b")
    assert [one[:2] for one in found] == [
        ("E501", "no file `trian.parquet`"),
        ("E501", "no file `none/*.csv`"),
    ]
    assert f"looked for `{tmp_path}/a/trian.parquet`, then `{tmp_path}/b/trian.parquet`" in found[0][3]
    assert "did you mean `train.parquet`?" in found[0][3]
    assert told(["/nowhere/x.csv"], tmp_path)[0][3] == "looked for `/nowhere/x.csv`"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    good = put(tmp_path / "good.parquet", x=list(range(5000))).read_bytes()
    damaged = bytearray(good)
    damaged[-40:-10] = b"\xff" * 30
    for name, content in {
        "cut.parquet": good[: len(good) // 2],
        "damaged.parquet": bytes(damaged),
        "empty.parquet": b"",
        "text.parquet": b"a,b\n1,2\n3,4\n",
        "empty.csv": b"",
        "ragged.csv": b"a,b\n1,2\n1,2,3\n",
        "bytes.csv": b"a,b\n\xff\xfe,1\n",
        "notes.txt": b"hello",
    }.items():
        (tmp_path / name).write_bytes(content)
    labels = {
        "cut.parquet": "cut off: the end of the parquet file is missing",
        "damaged.parquet": "damaged, or of a type that is not read",
        "empty.parquet": "the file is empty",
        "text.parquet": "not a parquet file",
        "empty.csv": "the file is empty",
        "ragged.csv": "not a well-formed csv file",
        "bytes.csv": "its text is not UTF-8, but perhaps Latin-1",
    }
    for name, label in labels.items():
        ((code, message, found, help),) = told([name], tmp_path)
        assert (code, message, found) == ("E502", f"`{name}` cannot be read", label)
        assert help.startswith("`format = csv(encoding" if name == "bytes.csv" else "the reader says: ")
        assert "\n" not in help
    assert told(["notes.txt"], tmp_path)[0][:2] == (
        "E502",
        "`notes.txt` has a file type that cannot be read",
    )


def test_too_little_memory_is_not_called_damage(tmp_path: Path) -> None:
    def read() -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    findings = Findings()
    read_or_report(read, put(tmp_path / "a.parquet", x=[1]), "a.parquet", None, findings)
    assert [(one.code, one.label) for one in findings] == [("E502", "there is not enough memory")]


def test_rows_remember_file_and_row(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1, 2])
    put(tmp_path / "b.parquet", x=[])
    put(tmp_path / "c.csv", x=[3, 4])
    for size in (1, 2, 1000):
        found = rows_of(["a.parquet", "b.parquet", "c.csv"], tmp_path, rows=size)
        assert max(len(rows) for rows in found) <= size
        assert [rows.location(row) for rows in found for row in range(len(rows))] == [
            "row 1 of `a.parquet`",
            "row 2 of `a.parquet`",
            "row 1 of `c.csv`",
            "row 2 of `c.csv`",
        ]
        assert [rows.first + row for rows in found for row in range(len(rows))] == [0, 1, 2, 3]


def test_rows_taken_from_others_keep_their_place(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1, 2, 3, 4])
    _, rows = rows_of(["a.parquet"], tmp_path, rows=2)
    assert rows.take(np.array([False, True])).location(0) == "row 4 of `a.parquet`"


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1], y=[2], z=[3])
    findings = Findings()
    files = find_files(["a.parquet"], [tmp_path], None, findings)
    (rows,) = read_chunks(files, ["z", "x", "absent"], None, findings)
    assert rows.frame.columns == ["x", "z"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_csv_cells_stay_what_they_say(tmp_path: Path, name: str) -> None:
    """A later row never changes what an earlier cell means: "007" is no 7."""
    text = "\ufeffcode,n,flag\n007,1.0,True\nA1,2.50,FALSE\n,,\n"
    text = text.replace(",", "\t") if name.endswith("tsv") else text
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (rows,) = rows_of([name], tmp_path)
    frame = rows.frame
    assert frame["code"].to_list() == ["007", "A1", None]
    assert as_text(frame["n"]).to_list() == ["1", "2.5", None]
    assert as_text(frame["flag"]).to_list() == ["true", "false", None]


def test_arrow_files(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "city": ["a", None, "b"]})
    for name in ("a.arrow", "b.feather", "c.ipc"):
        frame.write_ipc(tmp_path / name)
    found = rows_of(["*.*"], tmp_path, rows=2)
    assert cells(found) == [1, 2, 3] * 3
    assert cells(found, "city") == ["a", None, "b"] * 3
    assert found[1].location(0) == "row 3 of `a.arrow`"
    (tmp_path / "d.arrow").write_bytes(b"no arrow file at all")
    assert told(["d.arrow"], tmp_path)[0][:3] == ("E502", "`d.arrow` cannot be read", "not an Arrow file")


def test_folders_called_name_and_value_are_columns(tmp_path: Path) -> None:
    put(tmp_path / "log" / "day=2024-01-01" / "shop=a%2Fb" / "0.parquet", x=[1])
    put(tmp_path / "log" / "day=2024-01-02" / "shop=__HIVE_DEFAULT_PARTITION__" / "0.parquet", x=[2, 3])
    found = rows_of(["log"], tmp_path)
    assert cells(found) == [1, 2, 3]
    assert cells(found, "day") == ["2024-01-01", "2024-01-02", "2024-01-02"]
    assert cells(found, "shop") == ["a/b", None, None]
    findings = Findings()
    files = find_files(["log/*/*/*.parquet"], [tmp_path], None, findings)
    assert [rows.frame.to_dict(as_series=False) for rows in read_chunks(files, ["day"], None, findings)] == [
        {"day": ["2024-01-01"]},
        {"day": ["2024-01-02", "2024-01-02"]},
    ]
    put(tmp_path / "own" / "x=9" / "0.parquet", x=[1])
    assert cells(rows_of(["own"], tmp_path)) == [1]  # what a file says goes before what its folder is called


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_files_at_a_url(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    root = f"{scheme}://{tmp_path if scheme == 'file' else '/' + tmp_path.name}"

    def upload(name: str, x: list[int]) -> None:
        local = put(tmp_path / "here" / name, x=x)
        with fsspec.open(f"{root}/{name}", "wb", auto_mkdir=True) as there:
            there.write(local.read_bytes())

    upload("day/k=1/a.parquet", [1])
    upload("day/k=2/b.parquet", [2])
    for pattern in ("day", "day/*/*.parquet"):
        found = rows_of([f"{root}/{pattern}"])
        assert cells(found) == [1, 2]
        assert cells(found, "k") == ["1", "2"]
        assert found[0].file.startswith(f"{scheme}://")
        assert found[0].file.endswith("day/k=1/a.parquet")
    copies = sorted((tmp_path / "cache").rglob("*.parquet"))
    assert len(copies) == 2
    os.utime(copies[0].parent, (0, 0))
    upload("day/k=2/b.parquet", [5, 6])
    rows_of([f"{root}/day/k=2"])  # what is copied anew makes room
    assert [copies[0].exists(), copies[1].exists()] == [False, True]
    assert cells(rows_of([f"{root}/day"])) == [1, 5, 6]
    assert told([f"{root}/none/*.parquet"])[0][:2] == ("E501", f"no file `{root}/none/*.parquet`")


def test_a_url_that_nothing_here_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ((code, message, _, help),) = told(["nowhere://bucket/x.parquet"])
    assert (code, message) == ("E502", "`nowhere://bucket/x.parquet` cannot be read")
    assert help.startswith("fsspec says: Protocol not known: nowhere")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    ((code, message, _, help),) = told(["s3://bucket/x.parquet"])
    assert (code, message) == (
        "E502",
        "`s3://bucket/x.parquet` cannot be read without a package that is not installed",
    )
    assert help.startswith("`pip install 'aesm-dsl[remote]'`")
