"""Vectors from files, from the table to a served model: the run needs the files no more."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import polars as pl
import torch

from aesm_dsl import export, load_run, predict, train
from aesm_dsl.layers.pretrained_vectors import PretrainedVectors
from tests.conftest import PROJECT
from tests.serving.ties import assert_same_as_predict

SPEC = """aesm = 1
model m {
  embed = 4
  features f {
    fund = vectors(file: "funds.parquet", vector: v)
    seen = sequence(of: fund, last: 3, pool: attention)
    word = vectors(file: "words.npy", weights: trained, embed: 3)
  }
  level page { node a; node b }
  tasks { task y }
  train { batch = 64 rows; length = 12 steps }
  data { train = "t.parquet"; test = split(random: 20%); cache = "cache" }
}
"""


def test_from_files_to_a_served_model(tmp_path: Path) -> None:
    chance, rows = np.random.default_rng(0), 300
    keys = [f"f{number}" for number in range(20)]
    given = chance.normal(size=(20, 6)).astype(np.float32)
    pl.DataFrame({"fund": keys, "v": given.tolist()}).write_parquet(tmp_path / "funds.parquet")
    np.save(tmp_path / "words.npy", words := chance.normal(size=(9, 3)).astype(np.float32))
    fund = chance.integers(0, 25, rows)
    table = pl.DataFrame(
        {
            "fund": [f"f{number}" for number in fund],
            "seen": [[f"f{one}" for one in chance.integers(0, 25, size)] for size in chance.integers(0, 5, rows)],
            "word": pl.Series(chance.integers(0, 10, rows)).set(pl.Series(chance.random(rows) < 0.1), None),
            "page": chance.choice(["a", "b"], rows),
            "y": (fund % 3 == 0).astype(int),
        }
    )
    table.write_parquet(tmp_path / "t.parquet")
    spec = tmp_path / "s.aesm"
    spec.write_text(SPEC, encoding="utf-8")
    run = train(spec, tmp_path / "run", device="cpu")
    again = train(spec, tmp_path / "again", device="cpu")
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1
    scores = predict(run, table, device="cpu")
    assert predict(again, table, device="cpu").equals(scores)

    found = {one.name: one for one in run.network.modules() if isinstance(one, PretrainedVectors)}
    assert torch.equal(found["fund"].table_KG, torch.from_numpy(given))
    assert not torch.equal(found["word"].table_KG, torch.from_numpy(words))
    assert torch.allclose(found["word"].table_KG, torch.from_numpy(words), atol=0.1)

    for name in ("funds.parquet", "words.npy", "t.parquet"):
        (tmp_path / name).unlink()
    loaded = load_run(tmp_path / "run")
    assert predict(loaded, table, device="cpu").equals(scores)
    model = export(loaded, tmp_path / "m.onnx")
    served = runpy.run_path(str(PROJECT / "examples" / "score_onnx.py"))["Scorer"](model).score(table.to_dicts())
    assert_same_as_predict(loaded, table, pl.DataFrame(served, schema=scores.schema))
