"""A small shop with everything that models from outside have to respect: funnel, `where`, weights, lists, `only`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.prepare import Prepared, prepare
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.spec_file import data_roots

SPEC = """\
aesm = 1
model shop {
  features row {
    color    = category()
    price    = number(quantiles: 8)
    weight   = number(scale: standard)
    tags     = list(of: category(), most: 3)
    bonus    = number(scale: none, only: [search])
    position = number(quantiles: 4, training_only: true)
  }
  experts { hidden = [8]; count = 2; specific = 1; shared = 1; repeat = 1 }
  level page { column = page; node home; node search }
  level card { under = page; column = card; node ad; node item }
  tasks {
    under = card
    task click
    task buy   { after = click }
    task again { where = click }
    tower = [4]
  }
  train { length = 4 steps; batch = 64 rows; seed = 7 }
  data { train = "train.parquet"; valid = "valid.parquet"; test = "test.parquet"; weight = counts; cache = "cache" }
}
"""

ROWS = {"train": 900, "valid": 400, "test": 500}


def write_shop(folder: Path) -> Path:
    """Writes the tables and the spec of the shop; returns the spec."""
    for seed, (part, rows) in enumerate(ROWS.items()):
        shop_rows(rows, seed).write_parquet(folder / f"{part}.parquet")
    spec = folder / "shop.aesm"
    spec.write_text(SPEC, encoding="utf-8")
    return spec


def shop_rows(rows: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    color = random.choice(["red", "green", "blue", None], rows, p=[0.5, 0.25, 0.15, 0.1])
    page, card = random.choice(["home", "search"], rows), random.choice(["ad", "item"], rows, p=[0.3, 0.7])
    price, weight = random.lognormal(3, 1, rows).round(2), random.normal(5, 2, rows).round(3)
    tags = [list(random.choice(["a", "b", "c", "d"], random.integers(0, 4))) for _ in range(rows)]
    logit = 1.5 * (color == "red") - (card == "ad") + 0.7 * np.log(price / 20) * (page == "home") + 0.3 * (weight - 5)
    click = random.random(rows) < 1 / (1 + np.exp(-logit))
    buy = click & (random.random(rows) < np.where(color == "blue", 0.7, 0.3))
    again = np.where(click, (random.random(rows) < 0.5).astype(float), np.nan)
    known = random.random(rows) > 0.1
    return pl.DataFrame(
        {
            "color": color.tolist(),
            "price": price,
            "weight": np.where(random.random(rows) < 0.1, np.nan, weight),
            "tags": tags,
            "bonus": np.where(page == "search", random.normal(0, 1, rows), np.nan),
            "position": random.integers(1, 9, rows).astype(float),
            "page": page,
            "card": card,
            "counts": random.choice([0.0, 1.0, 2.0], rows, p=[0.05, 0.75, 0.2]),
            "click": click.astype(float),
            "buy": np.where(known, buy.astype(float), np.nan),
            "again": again,
        },
        strict=False,
    ).with_columns(pl.col("weight", "bonus", "buy", "again").fill_nan(None))


def prepared_shop(spec: Path) -> tuple[Plan, Prepared]:
    """The plan of the spec and its encoded rows."""
    from aesm_dsl import compile_spec

    compiled, findings = compile_spec(spec), Findings()
    prepared = prepare(compiled.plan, data_roots(compiled.spec), findings, compiled.spec.places.of)
    assert prepared is not None, findings.errors
    return compiled.plan, prepared
