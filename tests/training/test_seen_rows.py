"""`aesm evaluate RUN --data` says when the run was trained on the rows; it keeps quiet about others that look alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aesm_dsl import evaluate, load_run, train
from aesm_dsl.data.encoding import row_sketch
from aesm_dsl.data.encoding.row_sketch import RowSketch, SeenRows
from aesm_dsl.training.run.folder import Run
from tests.worlds import write

SPEC = """\
aesm = 1

model shop {
  embed = 4
  features user { age = number(quantiles: 4); city = category; tags = list(of: category(), separator: "|") }
  level page { node home; node cart }
  experts { count = 4; hidden = [4]; repeat = 1 }
  tasks { task click }
  train { length = 1 epochs; batch = 100 rows }
  data { train = "train.parquet"; test = split(last: 25%, by: day) }
}
"""


def rows(count: int, seed: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": draw.normal(size=count).round(4),
            "city": draw.choice(["a", "b", "c"], count),
            "tags": draw.choice(["x|y", "z", ""], count),
            "page": draw.choice(["home", "cart"], count),
            "click": draw.integers(0, 2, count),
            "day": np.arange(count),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("shop")
    rows(800, 1).write_parquet(folder / "train.parquet")
    train(write(folder, SPEC), folder / "run", device="cpu")
    return load_run(folder / "run")


def told(run: Run, data: Any, **options: Any) -> list[str]:
    said: list[str] = []
    evaluate(
        run, data, device="cpu", warn=lambda found: said.extend(f"{one.code} {one.message}" for one in found), **options
    )
    return said


@pytest.mark.parametrize("streamed", [False, True])
def test_training_rows_are_told_in_any_file_format_and_order(run: Run, tmp_path: Path, streamed: bool) -> None:
    table = pl.read_parquet(run.folder.parent / "train.parquet")
    learnt = table.head(600)
    learnt.write_csv(tmp_path / "other.csv")
    all_of_them = ["W606 these are the rows that the run was trained on"]
    assert told(run, tmp_path / "other.csv", streamed=streamed) == all_of_them
    assert told(run, learnt.sample(fraction=1, shuffle=True, seed=2), streamed=streamed) == all_of_them
    assert told(run, learnt.head(50), streamed=streamed) == all_of_them
    three_quarters = ["W606 the run was trained on about 75% of these rows"]
    assert told(run, run.folder.parent / "train.parquet", streamed=streamed) == three_quarters
    mixed = pl.concat([learnt.head(100), rows(300, 9)])
    assert told(run, mixed, streamed=streamed) == ["W606 the run was trained on about 25% of these rows"]


def test_other_rows_are_not(run: Run) -> None:
    table = pl.read_parquet(run.folder.parent / "train.parquet")
    assert told(run, None) == []
    assert told(run, table.tail(200)) == []
    assert told(run, rows(5000, 3)) == []


def test_rows_that_look_alike_by_chance_are_not_but_the_same_table_is(tmp_path: Path) -> None:
    """With three features of a few values each, nearly every new row has a twin among the training rows."""
    few = rows(800, 1).with_columns(pl.col("age").sign())
    few.write_parquet(tmp_path / "train.parquet")
    run = train(write(tmp_path, SPEC), tmp_path / "run", device="cpu")
    assert told(run, rows(800, 5).with_columns(pl.col("age").sign())) == []
    assert told(run, few.tail(200)) == []
    assert told(run, few.head(600)) == ["W606 these are the rows that the run was trained on"]
    assert told(run, tmp_path / "train.parquet") == ["W606 the run was trained on about 75% of these rows"]
    few.head(300).write_parquet(tmp_path / "train.parquet")
    assert told(run, tmp_path / "train.parquet") == ["W606 these are the rows that the run was trained on"]


def test_a_run_without_rows_set_aside_says_so(tmp_path: Path) -> None:
    rows(300, 1).write_parquet(tmp_path / "train.parquet")
    spec = write(tmp_path, SPEC.replace("test = split(last: 25%, by: day)", ""))
    run = train(spec, tmp_path / "run", device="cpu")
    assert told(run, None) == ["W606 these are the rows that the run was trained on"]


def test_a_run_of_an_earlier_version_is_measured_in_silence(run: Run) -> None:
    assert SeenRows({}).share() == 0
    seen = SeenRows({})
    seen.update(np.arange(10, dtype=np.uint64))
    assert seen.share() == 0


def test_a_large_table_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sketch, "KEPT", 100)
    draw = np.random.default_rng(4)
    learnt, fresh = (draw.integers(0, 2**63, 20_000).astype(np.uint64) * np.uint64(2) for _ in range(2))
    sketch = RowSketch()
    for chunk in np.array_split(learnt, 7):
        sketch.update("train", chunk)
    sketch.update("test", fresh[:500])
    summary = sketch.summary()
    assert summary["expected"] == 0
    for table, expected in (
        (learnt, 1.0),
        (learnt[:8000], 1.0),
        (np.append(learnt[:5000], fresh[:5000]), 0.5),
        (fresh, 0.0),
    ):
        seen = SeenRows(summary)
        seen.update(table)
        assert seen.share() == pytest.approx(expected, abs=0.15)
