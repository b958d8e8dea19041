"""The balance loss in training: experts that gates had left alone come into use."""

from __future__ import annotations

from dataclasses import replace

import torch

from aesm_dsl.layers.network import Network
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.sharing.sharing_matrix import sharing
from aesm_dsl.training.sharing.usage import UsageMeter
from tests.layers.plans import LAYER, TRAINING, make_batch, make_plan


def in_use(balance: float) -> list[int]:
    """Experts in use per layer, after some training without noise."""
    layer = replace(LAYER, experts=8, specific=1, shared=0)
    training = replace(TRAINING, balance=balance, specific_loss=0.0, shared_loss=0.0)
    plan = replace(make_plan(layer=layer, repeat=1), training=training)
    torch.manual_seed(0)
    network = Network(plan)
    batch = make_batch(plan, 256)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        loss(network(batch), batch, plan).total.backward()
        optimizer.step()
    meter = UsageMeter(plan)
    meter.add(network(batch).selection)
    return [sharing(one).in_use for one in meter.result()]


def test_more_experts_come_into_use() -> None:
    without, balanced = in_use(0.0), in_use(1.0)
    assert max(without) <= 3, "without noise few experts are ever tried"
    assert min(balanced) >= 6
