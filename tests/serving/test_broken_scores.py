"""Rows whose scores are not finite are told of: how many, and the first. JSON stays JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from aesm_dsl import evaluate, load_run, predict, prepare
from aesm_dsl.cli.main import app
from aesm_dsl.cli.output import print_json
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.protocol import InferenceRequest, RequestError, inference_response
from aesm_dsl.training.run.folder import Run
from tests.serving.conftest import table_of

FIRST, SECOND = 7, 21


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Rows of which two overflow the network."""
    rows = table_of(40, 5)
    large = pl.Series([3e38 if row in (FIRST, SECOND) else 0.5 for row in range(40)])
    rows.with_columns(score=large).write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_predict_gives_no_score_and_says_so(kinds: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    done = CliRunner().invoke(app, ["predict", str(kinds.folder), str(table), "-o", str(out)])
    assert done.exit_code == 0
    assert f"2 rows of 40 have no finite score; the first is row {FIRST + 1} of" in done.stderr
    assert "W527" in done.stderr
    scores = pl.read_csv(out)
    assert [row for row, score in enumerate(scores["click"]) if score is None] == [FIRST, SECOND]
    assert predict(kinds, table, device="cpu")["buy"].null_count() == 2


def test_evaluate_leaves_such_rows_out_and_prints_json(kinds: Run, table: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(kinds.folder), "--data", str(table), "--format", "json"])
    assert done.exit_code == 0, done.stderr
    assert f"2 rows of 40 have no finite score; the first is row {FIRST + 1} of those that were measured" in done.stderr
    figures = json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert max(figure["rows"] for figure in figures) == 38


def test_the_streamed_evaluation_tells_of_them_too(kinds: Run, table: Path) -> None:
    several = table.with_name("both.parquet")
    pl.concat([pl.read_parquet(table)] * 300).write_parquet(several)
    found = Findings()
    figures = evaluate(kinds, several, device="cpu", streamed=True, warn=found.extend)
    assert [finding.code for finding in found if finding.code != "W606"] == ["W527"]
    assert f"600 rows of 12,000 have no finite score; the first is row {FIRST + 1} of those" in found.items[0].message
    assert max(figures["rows"]) == 11_400


SPEC = """\
aesm = 1

model first {
  features user { age = number(scale: none) }
  tasks { task click }
  experts { repeat = 1; count = 2; hidden = [4] }
  data { train = "train.csv"; test = split(from: 2, by: day) }
  train { batch = 8 rows; length = 2 steps }
}
"""


def written_spec(folder: Path) -> Path:
    """A spec whose test rows are 40 rows, the fourth of which overflows the network."""
    train_rows = [f"{row % 7},{row % 2},1" for row in range(40)]
    test_rows = [f"{'3e38' if row == 3 else row % 5},{row % 2},2" for row in range(40)]
    (folder / "train.csv").write_text("\n".join(["age,click,day", *train_rows, *test_rows]), encoding="utf-8")
    (folder / "spec.aesm").write_text(SPEC, encoding="utf-8")
    return folder / "spec.aesm"


def test_train_tells_of_them_among_its_own_test_rows(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(written_spec(tmp_path)), "-o", str(tmp_path / "run")])
    assert done.exit_code == 0, done.stderr
    assert "W527" in done.stderr
    assert "1 row of 40 has no finite score; the first is row 4 of the test rows" in done.stderr
    assert max(figure.rows for figure in load_run(tmp_path / "run").scores) == 39


def test_a_loop_of_ones_own_is_told_too(tmp_path: Path) -> None:
    ready, found = prepare(written_spec(tmp_path)), Findings()
    ready.finish(ready.network(), tmp_path / "run", steps=0, warn=found.extend)
    assert [finding.code for finding in found] == ["W527"]


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "b": (float("inf"),), "c": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": [None], "c": "NaN"}


def test_a_request_is_refused() -> None:
    request = InferenceRequest(None, pl.DataFrame(), ("click",))
    scores = np.array([[0.5], [np.nan], [np.inf]], dtype=np.float32)
    with pytest.raises(RequestError, match="2 of 3 rows have no finite score; the first is row 2"):
        inference_response("m", request, ["click"], scores)
