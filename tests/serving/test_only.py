"""Features that only rows of some nodes have: nothing elsewhere, from the table to the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, Spec, check, evaluate, export, predict, train
from aesm_dsl.api.check import profile
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import onnx_engine, torch_engine
from aesm_dsl.spec.write import write
from aesm_dsl.training.run.folder import Run

SPEC = """\
aesm = 1
model shop {
  embed = 4
  features user { city = category }
  features fund {
    only    = wealth
    balance = number(quantiles: 4)
    kind    = category
    seen    = list(of: kind)
    rate    = number(scale: standard)
    both    = cross(of: [balance, kind], buckets: 20)
  }
  features card { theme = category(only: [card.theme, search]) }
  level entry { node search; node wealth; unknown = shared }
  level card { under = entry; node theme; node hot }
  tasks { task click }
  experts { count = 4; hidden = [4]; repeat = 1 }
  train { batch = 64 rows; length = 30 steps; optimizer = adam(rate: 3e-2); seed = 1 }
  data { train = "*.parquet"; test = split(random: 20%) }
}
"""
OWN = ["balance", "kind", "seen", "rate"]


def rows_of(count: int, seed: int, entry: str = "") -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    kinds = ["bond", "stock"]
    return pl.DataFrame(
        {
            "city": chance.choice(["a", "b", "c"], count),
            "balance": chance.normal(size=count).round(3),
            "kind": chance.choice(kinds, count),
            "seen": [chance.choice(kinds, 2).tolist() for _ in range(count)],
            "rate": chance.normal(5, 2, count).round(3),
            "theme": chance.choice(["x", "y"], count),
            "entry": chance.choice(["search", "wealth"], count) if not entry else [entry] * count,
            "card": chance.choice(["theme", "hot"], count),
            "click": chance.integers(0, 2, count),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each entry; that of the search does not have the columns of the other one."""
    folder = tmp_path_factory.mktemp("shop")
    rows_of(300, 1, "search").drop(OWN).write_parquet(folder / "search.parquet")
    rows_of(300, 2, "wealth").write_parquet(folder / "wealth.parquet")
    (folder / "spec.aesm").write_text(SPEC, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return train(folder / "spec.aesm", folder / "run", device="cpu")


def noisy(rows: pl.DataFrame) -> pl.DataFrame:
    """With nonsense in the cells that nobody may look at."""
    elsewhere = pl.col("entry") != "wealth"
    return rows.with_columns(
        pl.when(elsewhere).then(pl.lit("what?")).otherwise(pl.col("balance").cast(pl.String)).alias("balance"),
        pl.when(elsewhere).then(pl.lit("nobody has this")).otherwise(pl.col("kind")).alias("kind"),
        pl.when(elsewhere).then(pl.lit(1e9)).otherwise(pl.col("rate")).alias("rate"),
        pl.when((pl.col("entry") == "wealth") & (pl.col("card") == "hot"))
        .then(pl.lit("z"))
        .otherwise(pl.col("theme"))
        .alias("theme"),
    )


def test_what_is_learnt_and_counted_is_that_of_the_rows_that_have_it(folder: Path, run: Run, tmp_path: Path) -> None:
    assert check(folder / "spec.aesm", data=True).items == []
    found = profile(folder / "spec.aesm")[1]
    assert found is not None
    assert found["missing"] == {}
    mixed = pl.concat([rows_of(300, 1, "search"), rows_of(300, 2, "wealth")])
    noisy(mixed).write_parquet(tmp_path / "all.parquet")
    (tmp_path / "spec.aesm").write_text(SPEC, encoding="utf-8")
    assert check(tmp_path / "spec.aesm", data=True).items == []
    other = train(tmp_path / "spec.aesm", tmp_path / "run", device="cpu")
    assert other.encoders.to_json() == run.encoders.to_json()
    assert "nobody has this" not in other.encoders.to_json()
    assert all(torch.equal(one, run.network.state_dict()[name]) for name, one in other.network.state_dict().items())


def test_elsewhere_nothing_changes_a_score_and_nothing_is_needed(run: Run) -> None:
    rows = rows_of(80, 3)
    scores = predict(run, rows)["click"]
    assert predict(run, noisy(rows))["click"].equals(scores)
    search = rows.filter(pl.col("entry") == "search")
    assert predict(run, search.drop(OWN))["click"].equals(scores.filter(rows["entry"] == "search"))
    unknown = search.with_columns(entry=pl.lit("new"))
    assert predict(run, unknown.drop(OWN))["click"].equals(predict(run, unknown)["click"])
    here = rows.with_columns(kind=pl.lit("stock"), balance=pl.lit(2.0))
    changed = (predict(run, here)["click"] != scores).to_numpy()
    assert changed[(rows["entry"] == "wealth").to_numpy()].mean() > 0.5
    assert not changed[(rows["entry"] == "search").to_numpy()].any()


def test_rows_that_have_the_feature_need_its_column(run: Run) -> None:
    with pytest.raises(AesmError) as raised:
        predict(run, rows_of(20, 4).drop("kind", "rate"))
    message = str(raised.value)
    assert "no column `kind` in" in message
    assert "rows of `wealth`" in message
    assert "no column `rate` in" in message


def test_in_the_network_the_vector_is_zero(run: Run) -> None:
    engine, findings = torch_engine(run, torch.device("cpu")), Findings()
    batch = engine.encode(rows_of(40, 5).drop("click"), findings)
    assert batch is not None, findings.items
    network: Any = run.network
    with torch.no_grad():
        full = network.embedding(batch.ids_BS, batch.value_BV)
        x_BD = network.node_features(full, batch.node_BL)
    start = 0
    for feature in run.plan.features:
        columns = slice(start, start + feature.width)
        for row, (entry, card) in enumerate(batch.node_BL.tolist()):
            has = {"fund": entry == 1, "card": entry == 0 or card == 0}.get(feature.group, True)
            expected = full[row, columns] if has else torch.zeros(feature.width)
            assert torch.equal(x_BD[row, columns], expected)
        start += feature.width
    assert (full != 0).all()


@pytest.mark.parametrize("architecture", ["mmoe", "single"])
def test_baselines_do_not_look_elsewhere_either(architecture: str, folder: Path, tmp_path: Path) -> None:
    baseline = train(
        folder / "spec.aesm",
        tmp_path / "run",
        device="cpu",
        overrides=[f"architecture={architecture}", "train.length=2 steps"],
    )
    rows = rows_of(60, 6)
    assert predict(baseline, noisy(rows)).equals(predict(baseline, rows))


def test_exports_and_servers(run: Run, tmp_path: Path) -> None:
    rows, findings = rows_of(60, 7), Findings()
    expected = predict(run, rows)["click"].to_numpy()
    served = onnx_engine(run, export(run, tmp_path / "model.onnx"), findings)
    assert served is not None, findings.items
    batch = served.encode(noisy(rows).drop("click"), findings)
    assert batch is not None, findings.items
    np.testing.assert_allclose(served.score(batch)[:, 0], expected, rtol=1e-5)
    search = rows.filter(pl.col("entry") == "search").drop(*OWN, "click")
    batch = served.encode(search, findings)
    assert batch is not None, findings.items
    np.testing.assert_allclose(served.score(batch)[:, 0], expected[(rows["entry"] == "search").to_numpy()], rtol=1e-5)
    assert evaluate(run, noisy(rows)).equals(evaluate(run, rows))


def test_the_spec_keeps_its_words() -> None:
    spec = Spec.parse(SPEC)
    assert Spec.parse(write(spec)) == spec
    assert spec.features[1].only == ("wealth",)
