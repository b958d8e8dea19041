"""A batch as the inputs of an exported model."""

from __future__ import annotations

from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.plan import Plan


def named_inputs(plan: Plan, batch: Batch) -> dict[str, Tensor]:
    """A batch's rows as the inputs of the model, by their names."""
    ids = iter(batch.ids_BS.split_with_sizes([one.slots for one in plan.features if one.slots], dim=1))
    values = iter(batch.value_BV.split_with_sizes([one.values for one in plan.features if one.values], dim=1))
    features = {f"feature.{one.name}": next(ids if one.slots else values) for one in plan.features}
    return {**features, **{f"level.{one.name}": batch.node_BL[:, place] for place, one in enumerate(plan.levels)}}
