"""Exported = eager on rows of every kind: the reference scorer against `predict`, for whatever a log may hold."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aesm_dsl import export, train
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.plan.cell_text import MISSING, cell_text
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT, SWEEP
from tests.serving.conftest import german, table_of
from tests.serving.ties import assert_same_as_predict

SCORER = PROJECT / "examples" / "score_onnx.py"
FUNCTIONS = runpy.run_path(str(SCORER))

TYPES = {
    "city": pl.String,
    "age": pl.Float64,
    "income": pl.Float64,
    "score": pl.Float64,
    "seen": pl.String,
    "born": pl.String,
    "tags": pl.String,
    "sizes": pl.List(pl.Int64),
    "item": pl.Int64,
    "viewed": pl.List(pl.Int64),
    "moved": pl.List(pl.Int64),
    "how": pl.String,
    "at": pl.List(pl.String),
    "asked": pl.String,
    "price": pl.String,
    "rate": pl.String,
    "joined": pl.String,
    "hour": pl.String,
    "steps": pl.String,
    "entry": pl.String,
    "card": pl.String,
}

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 60)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
NUMBERS = st.none() | st.floats() | st.floats(-100, 100) | st.integers(-100, 100).map(float)
MOMENTS = st.datetimes().map(str) | st.datetimes().map(lambda one: f"{one:%Y-%m-%dT%H:%M}+03:00")
LATER = st.datetimes(datetime(1000, 1, 2))
TIMES = st.integers(4 * 10**7, 2**32).map(str) | LATER.map(str) | LATER.map(lambda one: f"{one:%Y-%m-%dT%H:%M}+03:00")
DAYS = ["2024-01-31", "2024-02-30", "0001-01-01", "9999-12-31", "2024-13-01", "2024-1-031", "20240131-1"]
CLOCKS = ["00:00:00", "23:59:59", "23:59:60", "24:00:00", "12:30:00", "12:30", "12:3:000"]
FRACTIONS = ["", ".0", ".000", ".5", ".50", ".123456", ".123456700", "."]
OFFSETS = ["", "Z", "z", "+00:00", "-03:00", "+03", "+0530", "+24:00", "+99", " +00:00"]
SPELT = (
    st.tuples(*map(st.sampled_from, (DAYS, "T t", CLOCKS, FRACTIONS, OFFSETS)))
    | st.tuples(
        st.sampled_from(["", "-", "+"]),
        st.sampled_from(["", "0", "00", "10", "042", "123456789012345678901"]),
        st.sampled_from(["", ".", ".0", ".00", ".50", ".05", ".5e1", "e5"]),
    )
    | st.tuples(
        st.sampled_from(["True", "TRUE", "tRue", "False", "FALSE", "NaN", "nan", "", "1.0", "2024-01-31T00:00:00"]),
        st.sampled_from(["", " ", "\n", ".0"]),
    )
).map("".join)
"""Texts that another text may write the same value as, and some that only look so."""

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "city": st.none() | TEXT | st.sampled_from(["Hangzhou", "杭州", "São Paulo", " 杭州", "1", "true"]) | SPELT,
    "age": NUMBERS,
    "income": NUMBERS,
    "score": NUMBERS.filter(lambda one: one is None or not 1e3 < abs(one) < 1e39),
    "seen": st.none() | st.just("") | st.integers(4 * 10**7, 2**32).map(str) | st.dates().map(str),
    "born": st.none() | st.just("") | st.dates().map(str),
    "tags": st.none() | st.lists(st.sampled_from(["a", " b", "c ", "", "new"]), max_size=6).map("|".join),
    "sizes": st.none() | st.lists(st.none() | WHOLE, max_size=5),
    "item": st.none() | WHOLE,
    "viewed": st.none() | st.lists(st.none() | WHOLE, max_size=6),
    "asked": st.none() | TIMES,
    "price": st.none()
    | st.sampled_from(["", " ", "1.234,5", "€ -5", "-€7,", "1234567", "12.345.678 €", ",5", "1e3", " 3,0E-2€ "])
    | st.integers(-(10**8), 10**8).map(german),
    "rate": st.none() | st.sampled_from(["", "5%", "5 %", "%5", "-0.5", "1e1%"]) | st.floats(-50, 50).map(repr),
    "joined": st.none()
    | st.just("")
    | st.datetimes(datetime(1000, 1, 1)).map(lambda one: f"{one.day}/{one.month}/{one.year} {one:%H}:{one.minute}"),
    "hour": st.none()
    | st.sampled_from(["", "14102100", "20241021", "20201112.0", "21123123", "39063011", "40000000", "1e9"])
    | st.dates().map(str)
    | st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(lambda day: f"{day:%Y%m%d}"),
    "steps": st.none() | st.lists(st.sampled_from(["1,5", " 3", "", "7,25 "]), max_size=4).map(";".join),
    "entry": st.none()
    | TEXT.filter(lambda text: text not in ("home", "wealth"))
    | st.sampled_from(["1", "1.0", "1.00", "wealth tab"]),
    "card": st.sampled_from(["hot", "new"]),
}

STEPS = st.lists(
    st.tuples(
        st.none() | WHOLE,
        st.sampled_from(["a", " b", "", "new"]),
        st.none() | TIMES,
    ),
    max_size=6,
)
"""What a row's three sequences of the same steps hold."""


def with_steps(row: dict[str, Any], steps: list[tuple[Any, str, Any]]) -> dict[str, Any]:
    moved, how, at = ([step[place] for step in steps] for place in range(3))
    # Of a single missing value the text would be empty, as that of no steps is.
    return {**row, "moved": moved, "how": "|".join(how) if any(how) or len(how) != 1 else "a", "at": at}


ROWS = st.lists(st.builds(with_steps, st.fixed_dictionaries(CELLS), STEPS), min_size=1, max_size=4)


def check(run: Run, scorer: Any, rows: list[dict[str, Any]]) -> None:
    tasks = dict.fromkeys((task.name for task in run.plan.tasks.tasks), pl.Float64)
    assert_same_as_predict(run, pl.DataFrame(rows, schema=TYPES), pl.DataFrame(scorer.score(rows), schema=tasks))


@pytest.fixture(scope="module")
def scorer(exported: Path, scorer_class: Any) -> Any:
    return scorer_class(exported)


@settings(max_examples=40, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_rows_of_any_kind(kinds: Run, scorer: Any, rows: list[dict[str, Any]]) -> None:
    check(kinds, scorer, rows)


@settings(max_examples=3, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    pool=st.lists(st.builds(with_steps, st.fixed_dictionaries(CELLS), STEPS), min_size=30, max_size=40),
    count=st.integers(5, 4096),
)
def test_batches_of_any_size(kinds: Run, scorer: Any, pool: list[dict[str, Any]], count: int) -> None:
    """Every cell of a row from another row of those drawn."""
    chance = np.random.default_rng(count)
    for rows in (count, 4096):
        picks = {name: chance.integers(0, len(pool), rows).tolist() for name in CELLS}
        check(
            kinds,
            scorer,
            [pool[row % len(pool)] | {name: pool[picks[name][row]][name] for name in CELLS} for row in range(rows)],
        )


def test_whole_numbers_of_any_size_count_exactly() -> None:
    """Beside each other, beyond what a float keeps apart, and beyond 64 bits."""
    hash_of = FUNCTIONS["hash_of"]
    edges = [0, 2**31, 2**53, 2**63, 2**64, 10**19, 10**20, 10**300]
    whole = [str(sign * edge + step) for edge in edges for sign in (1, -1) for step in (-1, 0, 1)]
    for text in [*whole, "9" * 5000, "-0", "042", "٣"]:
        assert hash_of(text) == int(hash64(pl.Series([text]))[0][0]), text[:30]
    assert hash_of(2**53 + 1) == int(hash64(pl.Series([2**53 + 1]))[0][0]) != hash_of(2**53)


@settings(max_examples=300, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(texts=st.lists(SPELT, min_size=20, max_size=40))
def test_a_text_has_one_form_in_tables_specs_and_the_scorer(texts: list[str]) -> None:
    text_of = FUNCTIONS["text_of"]
    forms = as_text(pl.Series(texts, dtype=pl.String)).to_list()
    assert [text_of(text) for text in texts] == forms
    assert [cell_text(text) for text in texts if text not in MISSING] == [form for form in forms if form is not None]


def test_rows_written_otherwise_have_the_same_scores(kinds: Run, scorer: Any) -> None:
    """As a csv of pandas has them: whole numbers with a point as soon as one is missing, times at midnight."""
    table = table_of(200, 9).drop_nulls(["item", "born"])
    written = table.with_columns(
        pl.col("item").cast(pl.String) + ".0",
        pl.col("born") + "T00:00:00.000",
        pl.col("entry").replace("1", "1.0"),
    )
    scored = pl.DataFrame(scorer.score(written.to_dicts()))
    assert_same_as_predict(kinds, written, scored)
    assert_same_as_predict(kinds, table, scored)
    assert scored["click"].n_unique() > 100


def test_the_scorer_is_short() -> None:
    """A team ports it to its own server."""
    assert len(SCORER.read_text(encoding="utf-8").splitlines()) <= 270


def test_the_hotel_bookings_without_torch(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test rows of specs/hotel.aesm, scored where nothing but numpy and onnxruntime can be imported; in sweeps all."""
    monkeypatch.setenv("AESM_DATA", str(real_data))
    short = ["train.length=20 steps", "train.optimizer=adam(rate: 3e-2)", "experts.repeat=1"]
    run = train(PROJECT / "specs" / "hotel.aesm", tmp_path / "run", device="cpu", overrides=short)
    model = export(run, tmp_path / "hotel.onnx")
    table = pl.read_parquet(real_data / "hotel-bookings.parquet").filter(pl.col("arrival_date") >= pl.date(2017, 6, 1))
    assert table.height == 15_885
    table = table if SWEEP else table.gather_every(4)
    scores = scored_without_torch(model, table, tmp_path)
    assert scores.columns == ["cancel", "special_request", "changed"]
    assert_same_as_predict(run, table, scores)
    assert all(scores[name].n_unique() > table.height // 3 for name in scores.columns), "rows are scored alike"


BLOCKED = """\
import importlib.abc, runpy, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "polars", "aesm_dsl", "onnx", "onnxscript", "pyarrow", "pandas"}:
            raise ModuleNotFoundError(f"no {name} on this machine", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def scored_without_torch(model: Path, table: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """What the reference scorer prints, in a process that has no torch, polars or aesm_dsl."""
    rows = folder / "rows.jsonl"
    table.write_ndjson(rows)
    command = [sys.executable, "-I", "-c", BLOCKED, str(SCORER), str(model), str(rows)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    assert done.returncode == 0, done.stderr
    return pl.DataFrame([json.loads(line) for line in done.stdout.splitlines()])
