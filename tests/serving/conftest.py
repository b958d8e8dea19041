"""A run of every kind of feature, and what is exported of it: trained and exported once for all tests."""

from __future__ import annotations

import hashlib
import os
import pickle
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from filelock import FileLock

from aesm_dsl import Spec, load_run, train
from aesm_dsl.cli.main import app
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.serving import onnx_model as onnx_module
from aesm_dsl.serving.onnx_weights import Weights
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT

KINDS = """\
aesm = 1

model kinds {
  embed = 4
  features user {
    city   = category
    age    = number(quantiles: 8)
    income = number(scale: log)
    score  = number(scale: none)
    seen   = date(parts: [hour, weekday, day, month], zone: "Asia/Shanghai")
    born   = date(parts: month)
    tags   = list(of: category(), most: 3, separator: "|")
    sizes  = list(of: id(buckets: 20), most: 2)
    paid   = list(of: number(quantiles: 3), column: income, separator: "|")
    home   = same(of: city, column: tags)
    where  = cross(of: [city, seen, age], buckets: 50)
    price  = number(quantiles: 6, decimal: ",", thousands: ".", strip: "€")
    rate   = number(scale: standard, percent: true)
    joined = date(parts: [hour, day, month], format: "%d/%m/%Y %H:%M")
    hour   = date(parts: [hour, day, month])
    steps  = list(of: number(quantiles: 4, decimal: ","), separator: ";")
    both   = cross(of: [price, joined], buckets: 30)
    earned = number(column: income, encoding: piecewise(bins: 5))
    years  = number(column: age, encoding: periodic(frequencies: 3))
  }
  features item {
    item   = id(buckets: 40)
    viewed = sequence(of: item, last: 4, pool: attention)
    walked = sequence(of: item, column: viewed, last: 3, pool: transformer)
    moved  = sequence(of: item, last: 3, pool: transformer)
    how    = sequence(of: category(embed: 3), with: moved, separator: "|")
    at     = sequence(of: elapsed(until: asked, embed: 5), with: moved)
  }
  level entry {
    node home
    node wealth { value = [1, "wealth tab"] }
    unknown = shared
  }
  level card {
    under = entry
    node hot
    node new { under = wealth }
  }
  tasks {
    task click
    task buy { after = click }
  }
  experts { repeat = 1; count = 6; hidden = [8] }
  bottom { gate = scenario(hidden: 8); interaction = fm(width: 3) }
  train { batch = 64 rows; length = 30 steps; optimizer = adam(rate: 3e-2); seed = 1 }
}
"""


def german(cents: int) -> str:
    """An amount as it is written in German."""
    return f"{cents / 100:,.2f} €".translate(str.maketrans(",.", ".,"))


def table_of(rows: int, seed: int) -> pl.DataFrame:
    """Rows as a log holds them, some cells missing; labels that depend on the features."""
    chance = np.random.default_rng(seed)

    def some(column: pl.Series, share: float = 0.1) -> pl.Series:
        return column.set(pl.Series(chance.random(rows) < share), None)

    city = chance.choice(["Hangzhou", "杭州", "São Paulo", "Kraków"], rows)
    age = chance.integers(18, 80, rows)
    item = chance.integers(1, 2**62, 30)[chance.integers(0, 30, rows)]
    entry = chance.choice(["home", "1", "wealth tab"], rows)
    card = np.where((entry == "home") | (chance.random(rows) < 0.5), "hot", "new")
    click = chance.random(rows) < 1 / (1 + np.exp((age - 45) / 12 + 2 * (city == "杭州") - 3 * (card == "new")))
    tags = [
        "|".join(chance.choice(["a", " b", "c", ""], count).tolist()) for count in chance.integers(0, 5, rows).tolist()
    ]
    sizes = [chance.integers(0, 50, count).tolist() for count in chance.integers(0, 4, rows).tolist()]
    asked = chance.integers(1_600_000_000, 1_600_900_000, rows)
    counts = chance.integers(0, 5, rows).tolist()
    at = [
        (own - chance.integers(0, 2 ** chance.integers(1, 20), n)).tolist()
        for own, n in zip(asked, counts, strict=True)
    ]
    how = ["|".join(chance.choice(["a", "b", ""], count).tolist()) if count > 1 else "a" * count for count in counts]
    viewed = [chance.choice(item, count).tolist() for count in chance.integers(0, 7, rows).tolist()]
    return pl.DataFrame(
        {
            "city": some(pl.Series(city)),
            "age": some(pl.Series(age)),
            "income": some(pl.Series(chance.lognormal(8, 2, rows))),
            "score": some(pl.Series(chance.normal(0, 2, rows))),
            "seen": some(pl.Series(chance.integers(1_500_000_000, 1_700_000_000, rows))),
            "born": some(pl.Series([f"19{year}-0{1 + year % 9}-11" for year in chance.integers(50, 99, rows)])),
            "tags": some(pl.Series(tags)),
            "sizes": some(pl.Series(sizes, dtype=pl.List(pl.Int64))),
            "item": some(pl.Series(item)),
            "viewed": some(pl.Series(viewed, dtype=pl.List(pl.Int64))),
            "moved": pl.Series([chance.choice(item, count).tolist() for count in counts], dtype=pl.List(pl.Int64)),
            "how": how,
            "at": pl.Series(at, dtype=pl.List(pl.Int64)),
            "asked": some(pl.Series(asked)),
            "price": some(pl.Series([german(cents) for cents in chance.integers(-500, 500_000, rows).tolist()])),
            "rate": some(pl.Series([f"{share:.1f} %" for share in chance.uniform(0, 20, rows).tolist()])),
            "joined": some(
                pl.Series([f"{1 + day % 28}/{1 + day % 12:02}/20{10 + day % 9} 9:05" for day in age.tolist()])
            ),
            "hour": some(pl.Series([14100000 + 100 * day + day % 24 for day in (1 + age % 28).tolist()])),
            "steps": some(pl.Series([f"{step},5;{step + 1}" for step in chance.integers(0, 9, rows).tolist()])),
            "entry": entry,
            "card": card,
            "click": click.astype(int),
            "buy": (click & (chance.random(rows) < 0.4)).astype(int),
        }
    )


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all of xdist's processes, for what is made once."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def kinds(common: Path) -> Run:
    # Gates that have moved away from each other: of two experts that are equal but for rounding either may be taken.
    folder = common / "kinds"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            train(Spec.parse(KINDS), folder, data=table_of(1500, 1), device="cpu")
    return load_run(folder)


@pytest.fixture(scope="session", autouse=True)
def _each_graph_once(common: Path) -> Iterator[None]:
    """`aesm export` takes the graph of a network that it has exported before; torch makes one in half a minute."""
    export = onnx_module.onnx_model

    def remembered(network: AnyNetwork) -> tuple[onnx.ModelProto, Weights]:
        state = [(name, tensor.numpy().tobytes()) for name, tensor in network.state_dict().items()]
        digest = hashlib.sha256(pickle.dumps((network.plan.to_json(), state))).hexdigest()
        kept = common / f"{digest}.pickle"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                model, weights = export(network)
                kept.write_bytes(pickle.dumps((model.SerializeToString(), weights)))
        content, weights = pickle.loads(kept.read_bytes())
        return onnx.ModelProto.FromString(content), weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_module, "onnx_model", remembered)
        yield


@pytest.fixture(scope="session")
def exported(kinds: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file, written from the command line."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    app(["export", str(kinds.folder), "--to", "onnx", "-o", str(path)], standalone_mode=False)
    return path


@pytest.fixture(scope="session")
def scorer_class() -> Any:
    """The class of the reference scorer."""
    return runpy.run_path(str(PROJECT / "examples" / "score_onnx.py"))["Scorer"]
