"""The named inputs of an exported model, and a module that takes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan


def named_inputs(plan: Plan, batch: Batch) -> dict[str, Tensor]:
    """Returns the rows of a batch as the model's inputs, by name."""
    slots = [feature.slots for feature in plan.features if feature.slots]
    widths = [feature.values for feature in plan.features if feature.values]
    ids = iter(batch.ids_BS.split_with_sizes(slots, dim=1))
    values = iter(batch.value_BV.split_with_sizes(widths, dim=1))
    features = {f"feature.{feature.name}": next(ids if feature.slots else values) for feature in plan.features}
    levels = {f"level.{level.name}": batch.node_BL[:, depth] for depth, level in enumerate(plan.levels)}
    return {**features, **levels}


def example_inputs(plan: Plan, rows: int) -> dict[str, Tensor]:
    """Returns inputs of the right types and shapes; their values mean nothing."""
    batch = Batch(
        torch.zeros(rows, plan.slots, dtype=torch.int64),
        torch.zeros(rows, plan.values),
        torch.tensor(plan.leaves[0], dtype=torch.int64).expand(rows, -1),
        torch.zeros(rows, len(plan.tasks.tasks)),
        torch.ones(rows),
    )
    return named_inputs(plan, batch)


class NamedInputNetwork(nn.Module):
    """The network with named inputs: it returns the probability of each task, and needs no labels or weights."""

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        plan: Plan = self.network.plan
        first = next(iter(inputs.values()))
        rows = first.shape[0]
        ids = [inputs[f"feature.{feature.name}"] for feature in plan.features if feature.slots]
        values = [inputs[f"feature.{feature.name}"] for feature in plan.features if feature.values]
        nodes = [inputs[f"level.{level.name}"] for level in plan.levels]
        batch = Batch(
            torch.cat(ids, dim=1) if ids else first.new_zeros(rows, 0, dtype=torch.int64),
            torch.cat(values, dim=1) if values else first.new_zeros(rows, 0, dtype=torch.float32),
            torch.stack(nodes, dim=1) if nodes else first.new_zeros(rows, 0, dtype=torch.int64),
            first.new_zeros(rows, len(plan.tasks.tasks), dtype=torch.float32),
            first.new_ones(rows, dtype=torch.float32),
        )
        prediction = self.network(batch)
        return tuple(value.exp() for value in prediction.log_probability.values())
