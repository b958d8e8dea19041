"""Tables as they come: whatever is wrong with a file is told at its place, and nothing ends in a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.api.check import check
from aesm_dsl.api.train import train
from aesm_dsl.findings.error import AesmError

SPEC = """\
aesm = 1

model m {
  features u { age = number(); city = category(); uid = id(buckets: 1k) }
  tasks { task click }
  data { train = "t/*"; test = split(from: 30, by: uid) }
}
"""
ROWS = "age,city,uid,click\n" + "".join(f"{20 + i % 9},{'ab'[i % 2]},{i - 20},{i // 3 % 2}\n" for i in range(60))
GOOD = pl.read_csv(ROWS.encode())


def told(folder: Path, spec: str = SPEC, /, **files: bytes | str | pl.DataFrame) -> list[tuple[str, str]]:
    """Code and label of what is told of the spec with these files; `a_csv` is a.csv."""
    (folder / "t").mkdir()
    for name, content in files.items():
        path = folder / "t" / name.replace("_", ".")
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "m.aesm").write_text(spec)
    found = check(folder / "m.aesm", data=True)
    assert all(item.span is not None for item in found)
    return [(item.code, item.label) for item in found]


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (ROWS.encode("utf-16"), "this is UTF-16"),
        (ROWS.encode("utf-16-be"), "this is UTF-16"),
        (ROWS.replace("b", "é").encode("latin-1"), "its text is not UTF-8, but perhaps Latin-1"),
        (ROWS.replace(",", ";").encode(), "its columns are separated by ';'"),
        (ROWS.encode() + b"1,a,2,1,9\n", "not a well-formed csv file"),
        (ROWS.encode() + b'1,"a,2,1\n', "a quote that begins a cell never ends it"),
        (
            ROWS.encode() + b'1,"a\n,",2,\n4,a\n5,b,,\n\n',
            "2 rows have fewer cells than the header; the first is row 62: `4,a`",
        ),
        (
            ROWS.encode() + b"1," + b"x" * 200_000 + b",2,1\n4,a\n",
            "1 row has fewer cells than the header; the first is row 62: `4,a`",
        ),
        (b"", "the file is empty"),
    ],
)
def test_a_csv_of_another_kind_is_told_once(tmp_path: Path, content: bytes, label: str) -> None:
    assert told(tmp_path, a_csv=ROWS, b_csv=content) == [("E502", label)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.encode() + b'1,"a\nb",2,1\n',
        ROWS.encode() + b"1," + b"x" * 10_000_000 + b",2,1\n",
        b"age,city,uid,click\n",
    ],
    ids=["mark", "crlf", "line end in quotes", "ten megabytes", "header"],
)
def test_a_csv_that_is_sound(tmp_path: Path, content: bytes) -> None:
    assert told(tmp_path, a_csv=ROWS + "50,c,40,1\n51,d,41,0\n", b_csv=content) == []


def test_types_that_change_from_file_to_file(tmp_path: Path) -> None:
    as_text = GOOD.with_columns(pl.col("age", "uid").cast(pl.String))
    assert told(tmp_path, a_parquet=GOOD, b_parquet=as_text, c_parquet=GOOD.clear()) == []
    (tmp_path / "x").mkdir()
    bad = GOOD.with_columns(age=pl.lit("old"))
    assert told(tmp_path / "x", a_parquet=GOOD, b_parquet=bad) == [("E504", "`age` is not a number")]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (pl.col("age").cast(pl.String), []),
        (pl.lit("old").alias("age"), [("E504", "`age` is not a number")]),
        (pl.concat_list("age").alias("age"), [("E504", "`age` holds lists")]),
        (pl.col("uid").cast(pl.Float64), []),
        (pl.col("uid") + 0.5, [("E504", "`uid` is not a whole number below 2^53")]),
        (pl.col("uid") + 2.0**60, [("E504", "`uid` is not a whole number below 2^53")]),
        (pl.col("age").alias("years"), [("E503", "feature `age` reads it")]),
        (pl.lit(2).alias("click"), [("E508", "labels are 0, 1 or missing")]),
    ],
)
def test_test_rows_of_another_schema(tmp_path: Path, change: pl.Expr, found: list[tuple[str, str]]) -> None:
    changed = GOOD.with_columns(change)
    changed = changed.drop("age") if "years" in changed.columns else changed
    changed.write_parquet(tmp_path / "test.parquet")
    spec = SPEC.replace("split(from: 30, by: uid)", '"test.parquet"')
    assert told(tmp_path, spec, a_parquet=GOOD) == found


def test_numbers_that_are_none(tmp_path: Path) -> None:
    wild = GOOD.with_columns(age=pl.Series([np.inf, -np.inf, np.nan, None] * 15))
    assert told(tmp_path, a_parquet=wild) == []
    (tmp_path / "x").mkdir()
    assert told(tmp_path / "x", a_parquet=GOOD.with_columns(click=pl.Series([0.0, 1.0, np.inf] * 20))) == [
        ("E508", "labels are 0, 1 or missing")
    ]


def test_damage_anywhere_in_a_parquet_file_is_told_or_harmless(tmp_path: Path) -> None:
    GOOD.write_parquet(tmp_path / "good.parquet")
    good = (tmp_path / "good.parquet").read_bytes()
    codes = set()
    for start in range(0, len(good), len(good) // 12):
        damaged = bytearray(good)
        damaged[start : start + 8] = b"\xff" * len(damaged[start : start + 8])
        folder = tmp_path / str(start)
        folder.mkdir()
        codes |= {code for code, _ in told(folder, a_parquet=bytes(damaged))}
    (tmp_path / "cut").mkdir()
    assert told(tmp_path / "cut", a_parquet=good[: len(good) // 2])[0][0] == "E502"
    assert "E502" in codes


def test_kept_tables_that_somebody_removes_in_training(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    GOOD.write_parquet(tmp_path / "t" / "a.parquet")
    spec = SPEC.replace(
        'data { train = "t/*";', 'train { batch = 10 rows; length = 9 epochs }\n  data { cache = "c"; train = "t/*";'
    )
    (tmp_path / "m.aesm").write_text(spec)
    with pytest.raises(AesmError) as caught:
        train(
            tmp_path / "m.aesm",
            tmp_path / "run",
            device="cpu",
            watch=lambda progress: shutil.rmtree(tmp_path / "c", ignore_errors=True),
        )
    (one,) = caught.value.findings.errors
    assert (one.code, one.label, one.span.text if one.span else "") == ("E510", "removed in training", '"c"')
    assert f"the encoded table `{tmp_path}/c/" in one.message
    assert not (tmp_path / "run").exists()
