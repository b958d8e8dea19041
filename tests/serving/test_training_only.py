"""A feature known in training only: read from training rows, learnt, and asked for nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, evaluate, export, load_run, predict, train
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import onnx_engine, torch_engine
from aesm_dsl.serving.export import description_file
from aesm_dsl.serving.protocol import model_metadata
from aesm_dsl.training.run.folder import Run

SPEC = """\
aesm = 1
model shown {
  embed = 4
  features item { item = category }
  features shown {
    position = number(quantiles: 2, training_only: true)
    device   = category(training_only: true)
    both     = cross(of: [position, device], training_only: true)
    seen     = list(of: id(buckets: 5), training_only: true)
    depth    = number(scale: none, training_only: true)
  }
  level page { node home }
  tasks { task click }
  architecture = shared_bottom
  train { batch = 256 rows; length = 6 epochs; stop = none; optimizer = adam(rate: 1e-2); seed = 1 }
  data { train = "train.parquet"; valid = "valid.parquet" }
}
"""
COLUMNS = ["position", "device", "seen", "depth"]


def rows_of(count: int, seed: int) -> pl.DataFrame:
    """Two items that are clicked equally often wherever they are shown; the good places mostly show the first one."""
    chance = np.random.default_rng(seed)
    first = chance.random(count) < 0.5
    top = chance.random(count) < np.where(first, 0.85, 0.15)
    return pl.DataFrame(
        {
            "item": np.where(first, "often on top", "often below"),
            "position": np.where(top, 1, 2),
            "device": chance.choice(["phone", "desk"], count),
            "seen": [[1, 2]] * count,
            "depth": chance.normal(size=count),
            "page": ["home"] * count,
            "click": (chance.random(count) < np.where(top, 0.6, 0.2)).astype(int),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("shown")
    rows_of(6000, 1).write_parquet(folder / "train.parquet")
    rows_of(500, 2).drop(COLUMNS).write_parquet(folder / "valid.parquet")  # nobody has to know it there
    (folder / "spec.aesm").write_text(SPEC, encoding="utf-8")
    return train(folder / "spec.aesm", folder / "run", device="cpu")


def test_equal_items_are_scored_alike_wherever_they_were_shown(run: Run) -> None:
    items = pl.DataFrame({"item": ["often on top", "often below"], "page": "home"})
    scores = predict(run, items)["click"].to_numpy()
    assert abs(scores[0] - scores[1]) < 0.05
    assert scores.mean() == pytest.approx(0.4, abs=0.04)


def test_without_the_feature_they_are_not(run: Run) -> None:
    spec = run.folder.parent / "without.aesm"
    spec.write_text(SPEC.replace(SPEC[SPEC.index("  features shown") : SPEC.index("  level")], ""), encoding="utf-8")
    plain = train(spec, run.folder.parent / "without", device="cpu")
    scores = predict(plain, pl.DataFrame({"item": ["often on top", "often below"], "page": "home"}))["click"]
    assert scores[0] - scores[1] > 0.15


def test_scores_do_not_depend_on_the_column(run: Run) -> None:
    rows = rows_of(300, 3)
    scores = predict(run, rows.drop(COLUMNS))
    assert predict(load_run(run.folder), rows).equals(scores)
    wrong = rows.with_columns(position=pl.lit("not a number"), seen=pl.lit(1))
    assert predict(run, wrong).equals(scores)
    assert evaluate(run, rows.drop(COLUMNS)).equals(evaluate(run, rows))


def test_rows_that_were_trained_on_are_known_without_the_column(run: Run) -> None:
    said: list[str] = []
    evaluate(run, rows_of(6000, 1).drop(COLUMNS), warn=lambda found: said.extend(one.code for one in found))
    assert said == ["W606"]


def test_training_rows_need_the_column(run: Run, tmp_path: Path) -> None:
    rows_of(60, 4).drop("position").write_parquet(tmp_path / "train.parquet")
    rows_of(60, 5).write_parquet(tmp_path / "valid.parquet")
    (tmp_path / "spec.aesm").write_text(SPEC, encoding="utf-8")
    with pytest.raises(AesmError, match="no column `position`"):
        train(tmp_path / "spec.aesm", tmp_path / "run", device="cpu")


def test_exports_and_servers_do_not_ask_for_it(run: Run, tmp_path: Path) -> None:
    rows, findings = rows_of(50, 6).drop(COLUMNS), Findings()
    model = export(run, tmp_path / "model.onnx")
    served = onnx_engine(run, model, findings)
    assert served is not None, findings.items
    engine = torch_engine(run, torch.device("cpu"))
    batch = engine.encode(rows.drop("click"), findings)
    assert batch is not None, findings.items
    expected = predict(run, rows)["click"].to_numpy()
    for one in (served, engine):
        np.testing.assert_allclose(one.score(batch)[:, 0], expected, rtol=1e-5)
    assert engine.encode(rows.clear(), findings).rows == 0  # type: ignore[union-attr]
    assert [one["name"] for one in model_metadata(run.plan, "")["inputs"]] == ["item", "page"]
    described = description_file(model).read_text(encoding="utf-8")
    assert "feature.item" in described
    assert not any(name in described for name in (*COLUMNS, "both"))
    program = export(run, tmp_path / "program.pt2", to="pt2")
    loaded = torch.export.load(program)
    assert not any("shallow" in name for name in loaded.state_dict)
