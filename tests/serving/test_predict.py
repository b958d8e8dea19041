"""`aesm predict`: streamed, kept columns, rows that training would refuse, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from aesm_dsl import AesmError, load_run
from aesm_dsl.api.predict import predict_file
from aesm_dsl.cli.main import app
from aesm_dsl.data.reading import files
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.serving import predict
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT, within
from tests.serving.conftest import table_of
from tests.serving.ties import assert_same_as_predict

ROWS = 500


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    table_of(ROWS, 5).with_row_index("row").write_parquet(path, row_group_size=100)
    return path


@pytest.fixture(scope="module")
def bad(table: Path) -> Path:
    """Rows 20, 40, ... have no card."""
    path = table.with_name("bad.parquet")
    lost = (pl.col("row") % 20 == 0) & (pl.col("row") > 0)
    pl.read_parquet(table).with_columns(card=pl.when(~lost).then("card")).write_parquet(path)
    return path


def aesm(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_kept_columns_and_scores_in_the_order_of_the_table(
    kinds: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(files.read_chunks, "__defaults__", (64,))
    out, seen = tmp_path / f"scores.{ending}", []
    keep = ["row", "item"]
    done = predict_file(kinds, table, out, keep=keep, device="cpu", watch=seen.append)
    assert (done.rows, done.bad, done.warnings.items) == (ROWS, 0, [])
    assert seen[:2] == [64, 128]
    assert seen[-1] == ROWS
    found = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out)
    source = pl.read_parquet(table)
    assert found.columns == ["row", "item", "click", "buy"]
    assert found.select(keep).cast(pl.Int64).equals(source.select(keep).cast(pl.Int64))
    assert_same_as_predict(kinds, source, found.select("click", "buy"))
    assert left(tmp_path) == [out.name]


def test_all_columns_of_a_table_without_labels(kinds: Run, table: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.parquet"
    source = pl.read_parquet(table).drop("click", "buy")
    source.write_parquet(plain)
    predict_file(kinds, plain, tmp_path / "out.parquet", keep=["*"], device="cpu")
    assert pl.read_parquet(tmp_path / "out.parquet").drop("click", "buy").equals(source)


def test_all_columns_of_a_table_with_labels(kinds: Run, table: Path, tmp_path: Path) -> None:
    source = pl.read_parquet(table)
    done = aesm(kinds.folder, table, "-o", tmp_path / "out.parquet", "--keep", "*")
    assert done.exit_code == 0, done.output
    assert "the scores of click are in column click_score" in done.stderr
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert found.columns == [*source.columns, "click_score", "buy_score"]
    assert found.select(source.columns).equals(source)
    assert_same_as_predict(kinds, source, found.select(click="click_score", buy="buy_score"))


def test_a_kept_column_may_have_the_name_of_scores_too(kinds: Run, table: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.parquet"
    source = pl.read_parquet(table).with_columns(click_score=pl.lit(7), buy_score_score=pl.lit(8))
    source.write_parquet(taken)
    done = predict_file(kinds, taken, tmp_path / "out.csv", keep=["click_score", "click"], device="cpu")
    assert done.columns == {"click": "click_score_score", "buy": "buy"}
    found = pl.read_csv(tmp_path / "out.csv")
    assert found.columns == ["click_score", "click", "click_score_score", "buy"]
    assert found["click_score"].unique().to_list() == [7]
    assert_same_as_predict(kinds, source, found.select(click="click_score_score", buy="buy"))


def test_rows_that_training_would_refuse(kinds: Run, table: Path, bad: Path, tmp_path: Path) -> None:
    place = pl.col("row") % 20 == 0
    source = pl.read_parquet(table)
    lost = source.filter(place & (pl.col("row") > 0))["row"].to_list()
    good = source.filter(~pl.col("row").is_in(lost))
    assert len(lost) == 24

    refused = aesm(kinds.folder, bad, "-o", tmp_path / "none.parquet")
    assert isinstance(refused.exception, AesmError)
    assert "in 24 rows; the first is a missing value in row 21 of" in str(refused.exception)
    assert left(tmp_path) == []

    skipped = aesm(kinds.folder, bad, "-o", tmp_path / "skip.parquet", "--on-bad-row", "skip", "--keep", "row")
    assert skipped.exit_code == 0
    assert "warning[W631]: 24 rows of 500 are left out" in skipped.stderr
    assert "row 21 of" in skipped.stderr
    assert "skip.parquet: 476 rows" in skipped.stderr
    found = pl.read_parquet(tmp_path / "skip.parquet")
    assert found["row"].to_list() == good["row"].to_list()
    assert_same_as_predict(kinds, good, found.drop("row"))

    nulls = aesm(kinds.folder, bad, "-o", tmp_path / "null.parquet", "--on-bad-row", "null", "--keep", "row")
    assert "warning[W631]: 24 rows of 500 are without scores" in nulls.stderr
    both = pl.read_parquet(tmp_path / "null.parquet")
    assert both["row"].to_list() == list(range(ROWS))
    for task in ("click", "buy"):
        assert both.filter(pl.col(task).is_null())["row"].to_list() == lost
        known = both.filter(pl.col(task).is_not_null())
        assert found[task].equals(known[task])


def test_every_row_refused_leaves_a_table_without_rows(kinds: Run, table: Path, tmp_path: Path) -> None:
    pl.read_parquet(table).with_columns(card=pl.lit("none")).write_parquet(tmp_path / "all.parquet")
    for way, rows in (("skip", 0), ("null", ROWS)):
        done = predict_file(kinds, tmp_path / "all.parquet", tmp_path / "out.csv", on_bad_row=way, device="cpu")
        assert (done.rows, done.bad) == (ROWS, ROWS)
        assert pl.read_csv(tmp_path / "out.csv").height == rows


def test_what_cannot_be_written_is_told_before_a_row_is_scored(kinds: Run, table: Path, tmp_path: Path) -> None:
    for keep, out, said in (
        (["sizes"], "scores.csv", r"E631.*`sizes` cannot be kept in a csv"),
        (["rwo"], "scores.csv", r"E503.*no column `rwo`(.|\n)*did you mean `row`"),
        ([], "scores.txt", r"E631.*ends? with|E631.*is no name"),
    ):
        with pytest.raises(AesmError, match=said):
            predict_file(kinds, table, tmp_path / out, keep=keep, device="cpu")
    with pytest.raises(AesmError, match=r"E631.*is the table that is read"):
        predict_file(kinds, table, table, device="cpu")
    assert left(tmp_path) == []


def test_an_older_result_stays_when_reading_fails(kinds: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    whole = table.read_bytes()
    (tmp_path / "part" / "a.parquet").write_bytes(whole)
    damaged = bytearray(whole)
    damaged[200:2000] = os.urandom(1800)
    (tmp_path / "part" / "b.parquet").write_bytes(damaged)
    (tmp_path / "scores.csv").write_text("older", encoding="utf-8")
    done = aesm(kinds.folder, tmp_path / "part", "-o", tmp_path / "scores.csv", "--on-bad-row", "skip")
    assert isinstance(done.exception, AesmError)
    assert "E502" in str(done.exception)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == "older"
    assert left(tmp_path) == ["part", "scores.csv"]


LIMITED = """\
import resource, sys
from aesm_dsl.api.predict import predict_file
from aesm_dsl.data.reading import files
from aesm_dsl.serving import table_writer

run, table, out, keep, most = sys.argv[1:]
files.read_chunks.__defaults__ = (1000,)
table_writer.GROUP_ROWS = 1000
resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
predict_file(run, table, out, keep=[keep], device="cpu")
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


def limited(run: Run, table: Path, out: Path, most: int = 2**40) -> subprocess.CompletedProcess[str]:
    """`predict_file` by thousands of rows in a process of its own, which writes no larger file and prints its peak."""
    command = [sys.executable, "-c", LIMITED, run.folder, table, out, "note", most]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "1"}
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


def wide(folder: Path, files: int) -> Path:
    """A table of so many thousand rows, with a column of eight kilobytes each."""
    folder.mkdir()
    rows = table_of(1000, 2).with_columns(note=pl.Series([os.urandom(4096).hex() for _ in range(1000)]))
    rows.write_parquet(folder / "00.parquet")
    for place in range(1, files):
        os.link(folder / "00.parquet", folder / f"{place:02}.parquet")
    return folder


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_memory_does_not_follow_the_rows(kinds: Run, tmp_path: Path, ending: str) -> None:
    """15,000 rows more would take 117 MiB, had they to be held."""
    peaks = []
    for thousands in (5, 20):
        done = limited(kinds, wide(tmp_path / f"{thousands}", thousands), tmp_path / f"out.{ending}")
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 2**10)
    assert peaks[1] - peaks[0] < 60, f"MiB resident at most: {peaks}"


def test_what_a_batch_selected_is_gone_before_the_next(
    kinds: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is larger than the scores, and what a chunk keeps of every batch grows with the chunk."""
    monkeypatch.setattr(predict, "BATCH_ROWS", 64)
    selected: list[weakref.ref[Tensor]] = []

    def hook(network: torch.nn.Module, given: object, found: Prediction) -> None:
        assert [one() for one in selected] == [None] * len(selected)
        selected[:] = [weakref.ref(layer.weight) for layers in found.selection.values() for layer in layers]

    run = load_run(kinds.folder)
    run.network.register_forward_hook(hook)
    predict_file(run, table, tmp_path / "scores.parquet", device="cpu")
    assert selected


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_full_disk_is_told(kinds: Run, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    done = limited(kinds, wide(tmp_path / "t", 4), out, most=2**20)
    assert f"error[E631]: `{out}` cannot be written: file too large" in done.stderr
    assert left(tmp_path) == ["t"]


def test_ctrl_c_leaves_nothing(kinds: Run, table: Path, tmp_path: Path) -> None:
    """With one thread for polars: the reader must not wait for a thread that waits for it."""
    many = tmp_path / "many"
    many.mkdir()
    for place in range(3000):  # more than it can score before it is stopped
        os.link(table, many / f"{place:03}.parquet")
    out = tmp_path / "scores.csv"
    command = [sys.executable, "-m", "aesm_dsl", "predict", kinds.folder, many, "-o", out, "--device", "cpu"]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    # Tests may run in the background of a shell, which has SIGINT ignored there; what is started inherits that.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(
        list(map(str, command)), env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heeds
    )
    within(100, lambda: bool(list(tmp_path.glob(".scores*"))) or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert left(tmp_path) == ["many"]
