"""Rows whose scores are not finite are told of: how many, and the first. JSON stays JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from aesm_dsl import predict
from aesm_dsl.cli.main import app
from aesm_dsl.cli.output import print_json
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


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "b": (float("inf"),), "c": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": [None], "c": "NaN"}


def test_a_request_is_refused() -> None:
    request = InferenceRequest(None, pl.DataFrame(), ("click",))
    scores = np.array([[0.5], [np.nan], [np.inf]], dtype=np.float32)
    with pytest.raises(RequestError, match="2 of 3 rows have no finite score; the first is row 2"):
        inference_response("m", request, ["click"], scores)
