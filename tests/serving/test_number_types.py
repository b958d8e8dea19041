"""The same rows have the same scores, whatever type their numbers come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl import Spec, export, predict, train
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import Engine, torch_engine
from aesm_dsl.serving.protocol import read_request
from aesm_dsl.training.run.folder import Run

SPEC = """\
aesm = 1
model types {
  architecture = shared_bottom
  features f {
    price = number(quantiles: 32)
    size  = number(quantiles: 16)
    stamp = number(quantiles: 16)
    same  = same(of: price, column: size)
  }
  tasks { task click }
  train { batch = 64 rows; length = 20 steps; optimizer = adam(rate: 3e-2) }
}
"""
ROWS = 500


def rows(dtype: Any) -> pl.DataFrame:
    """Numbers as float32 keeps them."""
    chance = np.random.default_rng(3)
    price = chance.lognormal(3, 1, ROWS).astype(np.float32)
    return pl.DataFrame(
        {
            "price": pl.Series(price).cast(dtype),
            "size": pl.Series(chance.integers(0, 4000, ROWS).astype(np.float32) / 8).cast(dtype),
            "stamp": pl.Series((chance.integers(0, 10**6, ROWS) * 256 + 2**30).astype(np.float32)).cast(dtype),
        }
    )


@pytest.fixture(scope="module", params=[pl.Float32, pl.Float64], ids=["float32", "float64"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    table = rows(request.param)
    click = (table["price"] > table["price"].median()).cast(pl.Int64)
    folder = tmp_path_factory.mktemp("types") / "run"
    return train(Spec.parse(SPEC), folder, data=table.with_columns(click=click), device="cpu")


@pytest.fixture(scope="module")
def expected(run: Run) -> np.ndarray[Any, Any]:
    scores = predict(run, rows(pl.Float32), device="cpu")["click"].to_numpy()
    assert len(np.unique(scores)) > 100
    return scores


def decimals(digits: int) -> pl.DataFrame:
    table = rows(pl.Float64)
    return pl.DataFrame({one.name: [f"{cell:.{digits}g}" for cell in one] for one in table})


def test_tables_of_every_type(run: Run, expected: np.ndarray[Any, Any], tmp_path: Path) -> None:
    for name, write in {
        "wide.parquet": lambda path: rows(pl.Float64).write_parquet(path),
        "narrow.parquet": lambda path: rows(pl.Float32).write_parquet(path),
        "narrow.csv": lambda path: rows(pl.Float32).write_csv(path),
        "wide.csv": lambda path: rows(pl.Float64).write_csv(path),
        "eight.csv": lambda path: decimals(8).write_csv(path),
    }.items():
        write(tmp_path / name)
        found = predict(run, tmp_path / name, device="cpu")["click"].to_numpy()
        np.testing.assert_array_equal(found, expected, err_msg=name)


def body(datatype: str, cells: Callable[[pl.Series], list[Any]]) -> bytes:
    table = rows(pl.Float64)
    tensors = [{"name": one.name, "datatype": datatype, "shape": [ROWS], "data": cells(one)} for one in table]
    return json.dumps({"inputs": tensors}).encode()


def test_requests_of_every_type(run: Run, expected: np.ndarray[Any, Any]) -> None:
    engine: Engine = torch_engine(run, torch.device("cpu"))
    for datatype, cells in {
        "FP64": lambda column: column.to_list(),
        "FP32": lambda column: column.to_list(),
        "BYTES": lambda column: [f"{cell:.9g}" for cell in column],
    }.items():
        batch = engine.encode(read_request(run.plan, body(datatype, cells), ROWS).frame, Findings())
        assert batch is not None
        np.testing.assert_allclose(engine.score(batch)[:, 0], expected, rtol=1e-6, err_msg=datatype)


def test_the_exported_model(run: Run, expected: np.ndarray[Any, Any], tmp_path: Path, scorer_class: Any) -> None:
    scorer = scorer_class(export(run, tmp_path / "model.onnx"))
    for table in (rows(pl.Float32), rows(pl.Float64), decimals(8), decimals(9)):
        found = [scored["click"] for scored in scorer.score(table.to_dicts())]
        np.testing.assert_allclose(found, expected, atol=1e-6)
