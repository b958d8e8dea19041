"""Builds a torch module from a spec, runs it on one batch, and shows which experts every row selected.

python examples/build_network.py [SPEC]
"""

from __future__ import annotations

import sys

import torch

from aesm_dsl import build_from_spec
from aesm_dsl.data.batch import Batch

ROWS = 6

network = build_from_spec(sys.argv[1] if len(sys.argv) > 1 else "specs/fund_search.aesm")
print(network)

# A batch holds ids instead of raw values: a row of the embedding table for each feature, and a node for each level.
# Training makes them from tables. Here they are random, and labels are missing (NaN), since nothing is learnt.
plan = network.plan
generator = torch.Generator().manual_seed(0)
batch = Batch(
    ids_BS=torch.stack([torch.randint(feature.rows, (ROWS,), generator=generator) for feature in plan.features], dim=1),
    value_BV=torch.randn(ROWS, plan.values, generator=generator),
    node_BL=torch.tensor(plan.leaves)[torch.randint(len(plan.leaves), (ROWS,), generator=generator)],
    label_BT=torch.full((ROWS, len(plan.tasks.tasks)), torch.nan),
    weight_B=torch.ones(ROWS),
)
network.eval()
with torch.no_grad():
    prediction = network(batch)

for task, probability in prediction.probability.items():
    print(f"{task:>10}", " ".join(f"{value:.3f}" for value in probability.tolist()))
for level, layers in prediction.selection.items():
    chosen = layers[-1].chosen.reshape(-1, layers[-1].chosen.shape[-1])
    for row in range(3):
        experts = chosen[row].nonzero().flatten().tolist()
        print(f"{level}: row {row} runs experts {experts}")
