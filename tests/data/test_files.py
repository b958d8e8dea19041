"""Paths as users write them, and files as users have them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.files import Rows, chunks, find
from aesm_dsl.diagnostic import Findings


def put(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns)
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def rows_of(patterns: list[str], *roots: Path, rows: int = 1000) -> list[Rows]:
    findings = Findings()
    found = list(chunks(find(patterns, roots, None, findings), None, None, findings, rows))
    assert not findings.items
    return found


def cells(found: list[Rows], column: str = "x") -> list[object]:
    return [cell for rows in found for cell in rows.frame[column].to_list()]


def names(found: list[Rows]) -> list[str]:
    return [rows.file for rows in found]


def told(patterns: list[str], *roots: Path) -> list[tuple[str, str, str, str]]:
    findings = Findings()
    files = find(patterns, roots, None, findings)
    if files:
        list(chunks(files, None, None, findings))
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
        "damaged.parquet": "damaged",
        "empty.parquet": "the file is empty",
        "text.parquet": "not a parquet file",
        "empty.csv": "the file is empty",
        "ragged.csv": "not a well-formed csv file",
        "bytes.csv": "not a well-formed csv file",
    }
    for name, label in labels.items():
        ((code, message, found, help),) = told([name], tmp_path)
        assert (code, message, found) == ("E502", f"`{name}` cannot be read", label)
        assert help.startswith("the reader says: ")
        assert "\n" not in help
    assert told(["notes.txt"], tmp_path)[0][:2] == (
        "E502",
        "`notes.txt` is no kind of file that is read here",
    )


def test_rows_remember_file_and_row(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1, 2])
    put(tmp_path / "b.parquet", x=[])
    put(tmp_path / "c.csv", x=[3, 4])
    for size in (1, 2, 1000):
        found = rows_of(["a.parquet", "b.parquet", "c.csv"], tmp_path, rows=size)
        assert max(len(rows) for rows in found) <= size
        assert [rows.place(row) for rows in found for row in range(len(rows))] == [
            "row 1 of `a.parquet`",
            "row 2 of `a.parquet`",
            "row 1 of `c.csv`",
            "row 2 of `c.csv`",
        ]
        assert [rows.first + row for rows in found for row in range(len(rows))] == [0, 1, 2, 3]


def test_rows_taken_from_others_keep_their_place(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1, 2, 3, 4])
    _, rows = rows_of(["a.parquet"], tmp_path, rows=2)
    assert rows.take(np.array([False, True])).place(0) == "row 4 of `a.parquet`"


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", x=[1], y=[2], z=[3])
    findings = Findings()
    files = find(["a.parquet"], [tmp_path], None, findings)
    (rows,) = chunks(files, ["z", "x", "absent"], None, findings)
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
    assert frame["n"].to_list() == ["1", "2.50", None]
    assert frame["flag"].to_list() == ["true", "false", None]
