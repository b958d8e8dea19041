"""A training loop of your own, and modules of your own in the network.

    python examples/own_loop.py [FOLDER [STEPS]]

`prepare` checks and encodes the rows of a spec; `network()` is a torch.nn.Module, a batch is five tensors. What you
train yourself becomes a run folder that `aesm evaluate`, `predict`, `experts`, `visualize` and `export` read, as long
as the modules are those of the spec; with modules of your own you keep the network yourself.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import torch
from torch import Tensor, nn

from aesm_dsl import prepare, visualize
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.data.simulate.fund_search import write_world

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_loop")
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 300

write_world(folder / "data", 20_000, seed=1)
spec = folder / "data" / "fund_search.aesm"
spec.write_text(world_spec(), encoding="utf-8")
ready = prepare(spec, overrides=["tasks.tower_per=task"])  # so that each task has one tower, put in below


def fit(network: nn.Module) -> float:
    """The last loss, in nats. Any loop will do: this one has a schedule of its own and no noise on the gates."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    network.train()
    total, taken = torch.zeros(()), 0
    for epoch in count(1):
        for batch in ready.train.batches(512, seed=7, epoch=epoch):
            total = ready.loss(network(batch), batch).total
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            taken += 1
            if taken == steps:
                return float(total.detach())
    raise AssertionError("unreachable")


network = ready.network()
print(f"loss after {steps} steps: {fit(network):.4f}")
run = ready.finish(network, folder / "run", steps=steps, overwrite=True)
print(run.metrics.head(2))
print("picture:", visualize(run, folder / "sharing.svg"))


class Cross(nn.Module):
    """A tower of one's own, h (rows, width) -> logit (rows): an explicit product before the MLP, as DCN has it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cross = nn.Linear(width, width)
        self.head = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, h: Tensor) -> Tensor:
        logit: Tensor = self.head(h * self.cross(h) + h).squeeze(-1)
        return logit


class Gated(nn.Module):
    """Experts of one's own, with what `Experts` takes and gives: x (rows, width) and the weight that every gate of a
    row gives each expert (rows, gates, experts), exactly 0 where it is not selected -> (rows, gates, output width)."""

    def __init__(self, width: int, output: int, experts: int) -> None:
        super().__init__()
        self.value = nn.ModuleList(nn.Linear(width, output) for _ in range(experts))
        self.gate = nn.ModuleList(nn.Linear(width, output) for _ in range(experts))

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        mixed = x.new_zeros(*weight.shape[:2], self.value[0].out_features)
        for place, (value, gate) in enumerate(zip(self.value, self.gate, strict=True)):
            rows = (weight[:, :, place] != 0).any(dim=1).nonzero().squeeze(1)  # the rows that selected this expert
            found = value(x[rows]) * torch.sigmoid(gate(x[rows]))
            mixed = mixed.index_add(0, rows, weight[rows, :, place, None] * found[:, None])
        return mixed


mine = ready.network()
plan = ready.plan.tasks.layers[-1]  # the last layer of the tasks' level
mine.tasks[-1].experts = Gated(plan.input, plan.output, plan.experts)
for place in range(len(mine.towers)):
    mine.towers[place] = Cross(plan.output)
print(f"with experts and towers of one's own: {fit(mine):.4f}")
try:
    ready.finish(mine, folder / "mine", steps=steps)
except ValueError as error:
    print(f"no run folder: {error}")
torch.save(mine.state_dict(), folder / "mine.pt")
