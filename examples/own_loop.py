"""Trains with a training loop of your own, and with modules of your own in the network.

    python examples/own_loop.py [FOLDER [STEPS]]

`prepare` checks and encodes the rows of a spec; `network()` is a torch.nn.Module, and a batch is five tensors. What you
train yourself becomes a run folder that `aesm evaluate`, `predict`, `experts`, `visualize` and `export` read, as long
as its modules are those of the spec; with modules of your own, you store the network yourself.
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
ready = prepare(spec, overrides=["tasks.tower_per=task"])  # so that each task has one tower, which is replaced below


def fit(network: nn.Module) -> float:
    """Trains the network, and returns the last loss, in nats. Any loop will do; this one has no noise on the gates."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    network.train()
    total, step = torch.zeros(()), 0
    for epoch in count(1):
        for batch in ready.train.batches(512, seed=7, epoch=epoch):
            total = ready.loss(network(batch), batch).total
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step == steps:
                return float(total.detach())
    raise AssertionError("unreachable")


network = ready.network()
print(f"loss after {steps} steps: {fit(network):.4f}")
run = ready.finish(network, folder / "run", steps=steps, overwrite=True)
print(run.metrics.head(2))
print("picture:", visualize(run, folder / "sharing.svg"))


class Cross(nn.Module):
    """A tower of your own, h (rows, width) -> logit (rows): an explicit product before the MLP, as in DCN."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cross = nn.Linear(width, width)
        self.head = nn.Sequential(nn.Linear(width, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, h: Tensor) -> Tensor:
        logit: Tensor = self.head(h * self.cross(h) + h).squeeze(-1)
        return logit


class Gated(nn.Module):
    """Experts of your own, with the inputs and outputs of `Experts`.

    Inputs are x (rows, width), and the weight that every gate of a row gives each expert (rows, gates, experts), which
    is exactly 0 if the expert is not selected. The output is (rows, gates, output width).
    """

    def __init__(self, width: int, output: int, experts: int) -> None:
        super().__init__()
        self.value = nn.ModuleList(nn.Linear(width, output) for _ in range(experts))
        self.gate = nn.ModuleList(nn.Linear(width, output) for _ in range(experts))

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        mixed = x.new_zeros(*weight.shape[:2], self.value[0].out_features)
        for expert, (value, gate) in enumerate(zip(self.value, self.gate, strict=True)):
            rows = (weight[:, :, expert] != 0).any(dim=1).nonzero().squeeze(1)  # the rows that selected this expert
            output = value(x[rows]) * torch.sigmoid(gate(x[rows]))
            mixed = mixed.index_add(0, rows, weight[rows, :, expert, None] * output[:, None])
        return mixed


custom = ready.network()
plan = ready.plan.tasks.layers[-1]  # the last layer of the tasks' level
custom.tasks[-1].experts = Gated(plan.input, plan.output, plan.experts)
for number in range(len(custom.towers)):
    custom.towers[number] = Cross(plan.output)
print(f"loss with experts and towers of your own: {fit(custom):.4f}")
try:
    ready.finish(custom, folder / "custom", steps=steps)
except ValueError as error:
    print(f"no run folder: {error}")
torch.save(custom.state_dict(), folder / "custom.pt")
