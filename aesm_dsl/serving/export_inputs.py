"""A batch as the inputs of an exported model, and the network as it takes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan


def named_inputs(plan: Plan, batch: Batch) -> dict[str, Tensor]:
    """A batch's rows as the inputs of the model, by their names."""
    ids = iter(batch.ids_BS.split_with_sizes([one.slots for one in plan.features if one.slots], dim=1))
    values = iter(batch.value_BV.split_with_sizes([one.values for one in plan.features if one.values], dim=1))
    features = {f"feature.{one.name}": next(ids if one.slots else values) for one in plan.features}
    return {**features, **{f"level.{one.name}": batch.node_BL[:, place] for place, one in enumerate(plan.levels)}}


def example_inputs(plan: Plan, rows: int) -> dict[str, Tensor]:
    """Rows that say nothing but their types and shapes."""
    batch = Batch(
        torch.zeros(rows, plan.slots, dtype=torch.int64),
        torch.zeros(rows, plan.values),
        torch.tensor(plan.leaves[0], dtype=torch.int64).expand(rows, -1),
        torch.zeros(rows, len(plan.tasks.tasks)),
        torch.ones(rows),
    )
    return named_inputs(plan, batch)


class Served(nn.Module):
    """One probability per task, of named inputs."""

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        plan: Plan = self.network.plan
        some = next(iter(inputs.values()))
        rows = some.shape[0]
        ids = [inputs[f"feature.{one.name}"] for one in plan.features if one.slots]
        values = [inputs[f"feature.{one.name}"] for one in plan.features if one.values]
        nodes = [inputs[f"level.{level.name}"] for level in plan.levels]
        batch = Batch(
            torch.cat(ids, dim=1) if ids else some.new_zeros(rows, 0, dtype=torch.int64),
            torch.cat(values, dim=1) if values else some.new_zeros(rows, 0, dtype=torch.float32),
            torch.stack(nodes, dim=1) if nodes else some.new_zeros(rows, 0, dtype=torch.int64),
            some.new_zeros(rows, len(plan.tasks.tasks), dtype=torch.float32),
            some.new_ones(rows, dtype=torch.float32),
        )
        prediction = self.network(batch)
        return tuple(value.exp() for value in prediction.log_probability.values())
