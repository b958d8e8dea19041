"""Trains on a table of your own: impressions, a spec as text, a model, and scores for new rows.

    python examples/own_table.py [FOLDER]

Two shops show two widgets; a row is an impression with a click and perhaps an order. The table is random here, so that
the example runs anywhere; in your case it is a parquet or csv file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl import AesmError, check, predict, train

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_table")
folder.mkdir(parents=True, exist_ok=True)

chance = np.random.default_rng(0)
ROWS = 20_000
price = chance.lognormal(3.0, 0.8, ROWS).round(2)
brand = chance.choice(["acme", "zenith", "nova", "orbit"], ROWS)
widget = chance.choice(["top", "related"], ROWS, p=[0.8, 0.2])
score = 1.2 * (brand == "acme") - 0.6 * np.log(price) * np.where(widget == "top", 1.0, -0.4)
clicked = chance.random(ROWS) < 1 / (1 + np.exp(-score))
pl.DataFrame(
    {
        "shop": chance.choice(["de", "fr"], ROWS),
        "widget": widget,
        "price": price,
        "brand": brand,
        "clicked": clicked.astype(int),
        "ordered": (clicked & (chance.random(ROWS) < 0.2)).astype(int),
    }
).write_parquet(folder / "impressions.parquet")

SPEC = """\
aesm = 1

model shop {
  features item {
    price = number(quantiles: 16)
    brand = category()
  }
  level shop { node de; node fr }
  level widget {
    under = shop
    node top     "Top of page"
    node related "Related items"
  }
  tasks {
    task click { label = clicked }
    task order { label = ordered; after = click }
  }
  train {
    batch  = 512 rows
    length = 3 epochs
  }
  data {
    train = "impressions.parquet"
    valid = split(random: 10%)
    test  = split(random: 20%)
  }
}
"""
spec = folder / "shop.aesm"
spec.write_text(SPEC, encoding="utf-8")

# A mistake is reported with its line, and nothing is trained. `check` returns the findings as values.
wrong = folder / "wrong.aesm"
wrong.write_text(SPEC.replace("after = click", "after = clik"), encoding="utf-8")
for finding in check(wrong):
    assert finding.span is not None
    print(f"line {finding.span.line}: {finding.message}; {finding.help[0]}")
try:
    train(wrong, folder / "run")
except AesmError as error:
    print(f"not trained: {len(error.findings.errors)} error")

run = train(spec, folder / "run", overwrite=True)
print(run.metrics.filter(pl.col("leaf") == "(all)"))

new = pl.DataFrame({"shop": ["de", "fr"], "widget": ["top", "related"], "price": [9.9, 80.0], "brand": ["acme", "?"]})
print(pl.concat([new, predict(run, new)], how="horizontal"))
