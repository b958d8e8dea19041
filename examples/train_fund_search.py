"""Simulates the fund search, trains, reads the metrics and the sharing matrix, and draws the picture.

    python examples/train_fund_search.py [FOLDER [ROWS]]

The truth of this world is known: cards of one hidden group respond alike. The sharing matrix shows what was learnt of
it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from aesm_dsl import train, visualize
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.simulate.fund_search import write_world

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example")
rows = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000

world = write_world(folder / "data", rows, seed=1)
spec = folder / "data" / "fund_search.aesm"
spec.write_text(world_spec(), encoding="utf-8")

run = train(spec, folder / "run", overwrite=True)

overall = run.metrics.filter(pl.col("leaf") == "(all)")
for task, auc in zip(overall["task"], overall["auc"], strict=True):
    print(f"{task}: AUC {auc:.4f}, of {world.bayes_auc[task]:.4f} that the true probabilities reach")

sharing = run.sharing("card")
print("how much two cards share (weighted Jaccard of their mean mixture weights):")
names = sharing.matrix.nodes
print(" " * 14 + " ".join(f"{name:>12}" for name in names))
for name, row in zip(names, sharing.matrix.matrix, strict=True):
    print(f"{name:>14}" + " ".join(f"{value:12.2f}" for value in row))

print("picture:", visualize(run, folder / "sharing.svg"))
