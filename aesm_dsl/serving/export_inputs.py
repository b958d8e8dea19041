"""The named inputs of an exported model, and a module that takes them.

Axes: B rows, N ids and nodes of a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.shallow_tower import served_inputs
from aesm_dsl.plan.plan import PAD, UNKNOWN, Plan

OUTSIDE = torch.iinfo(torch.int64).max
"""An index that no table has, not even one that counts negative indices from its end."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input of an exported model: a feature's ids or number, or a level's nodes."""

    kind: str
    """"feature" or "level"."""
    owner: str
    """Name of the feature or level."""
    slots: int | None
    """The size of its second axis; None if it has only the axis of rows."""
    least: int
    """The least value of its ids or nodes."""
    count: int | None
    """The ids or nodes are below this; None for a number."""

    @property
    def takes_ids(self) -> bool:
        """Whether it is a feature whose values are ids."""
        return self.kind == "feature" and self.count is not None

    @property
    def takes_numbers(self) -> bool:
        """Whether it is a feature that is used as a number."""
        return self.count is None

    @property
    def name(self) -> str:
        """The name in an ONNX model."""
        return f"{self.kind}.{self.owner}"

    @property
    def argument(self) -> str:
        """The name in a program of torch: an argument of a Python function has no point."""
        return f"{self.kind}_{self.owner}"

    @property
    def datatype(self) -> str:
        """The type of its values, as numpy and torch name it."""
        return "float32" if self.count is None else "int64"


def model_inputs(plan: Plan) -> list[ModelInput]:
    """Returns the inputs of the plan's exported model, in its order: the features, then the levels."""
    features = [
        ModelInput("feature", feature.name, feature.slots, PAD if feature.pool else 0, feature.rows)
        if feature.slots
        else ModelInput("feature", feature.name, feature.values, 0, None)
        for feature in plan.features
    ]
    levels = [
        ModelInput("level", level.name, None, UNKNOWN if level.unknown else 0, len(level.nodes))
        for level in plan.levels
    ]
    return [*features, *levels]


def named_inputs(plan: Plan, batch: Batch) -> dict[str, Tensor]:
    """Returns the rows of a batch as the inputs of an ONNX model, by name."""
    return {each.name: values for each, values in _values(plan, batch)}


def keyword_inputs(plan: Plan, batch: Batch) -> dict[str, Tensor]:
    """Returns the rows of a batch as the inputs of a program of torch, by argument."""
    return {each.argument: values for each, values in _values(plan, batch)}


def _values(plan: Plan, batch: Batch) -> Iterator[tuple[ModelInput, Tensor]]:
    """Every input, with its part of the batch."""
    inputs = model_inputs(plan)
    ids_BS, value_BV = served_inputs(plan, batch)
    ids = iter(ids_BS.split_with_sizes([each.slots or 1 for each in inputs if each.takes_ids], dim=1))
    values = iter(value_BV.split_with_sizes([each.slots or 1 for each in inputs if each.takes_numbers], dim=1))
    nodes = iter(batch.node_BL.unbind(1))
    for each in inputs:
        yield each, next(ids if each.takes_ids else values if each.takes_numbers else nodes)


def example_inputs(plan: Plan, rows: int) -> dict[str, Tensor]:
    """Returns inputs of the right types and shapes by argument; their values mean nothing."""
    return {
        each.argument: torch.zeros(
            (rows,) if each.slots is None else (rows, each.slots), dtype=getattr(torch, each.datatype)
        )
        for each in model_inputs(plan)
    }


class NamedInputNetwork(nn.Module):
    """The network with an argument for each input: it returns the probability of each task.

    A row with an id or a node that is outside its table makes the lookup in `one_1` fail. Where a runtime does not
    check its lookups, the row's scores are NaN: never those of another id or node.

    The arguments are keywords of one flat signature, since compiled programs of torch take the values of a dictionary
    by their place, whatever the keys say.
    """

    one_1: Tensor
    least_N: Tensor
    count_N: Tensor

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network
        self.inputs = model_inputs(network.plan)
        self.register_buffer("one_1", torch.ones(1))
        # Ids come before nodes, as they are concatenated.
        whole = sorted((each for each in self.inputs if not each.takes_numbers), key=lambda each: not each.takes_ids)
        columns = [each for each in whole for _ in range(each.slots or 1)]
        self.register_buffer("least_N", torch.tensor([each.least for each in columns], dtype=torch.int64))
        self.register_buffer("count_N", torch.tensor([each.count for each in columns], dtype=torch.int64))

        def forward(**inputs: Tensor) -> tuple[Tensor, ...]:
            return self.probabilities(inputs)

        parameters = [inspect.Parameter(each.argument, inspect.Parameter.KEYWORD_ONLY) for each in self.inputs]
        as_any: Any = forward
        as_any.__signature__ = inspect.Signature(parameters)
        self.forward = forward

    def probabilities(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Returns probability_B of each task from the inputs by argument."""
        plan: Plan = self.network.plan
        first = inputs[self.inputs[0].argument]
        rows = first.shape[0]
        ids = [inputs[each.argument] for each in self.inputs if each.takes_ids]
        values = [inputs[each.argument] for each in self.inputs if each.takes_numbers]
        nodes = [inputs[each.argument] for each in self.inputs if each.kind == "level"]
        batch = Batch(
            torch.cat(ids, dim=1) if ids else first.new_zeros(rows, 0, dtype=torch.int64),
            torch.cat(values, dim=1) if values else first.new_zeros(rows, 0, dtype=torch.float32),
            torch.stack(nodes, dim=1) if nodes else first.new_zeros(rows, 0, dtype=torch.int64),
            first.new_zeros(rows, len(plan.tasks.tasks), dtype=torch.float32),
            first.new_ones(rows, dtype=torch.float32),
        )
        prediction = self.network(batch)
        scores = [value.exp() for value in prediction.log_probability.values()]
        if not ids and not nodes:
            return tuple(scores)
        number_BN = torch.cat([*ids, *(node_B.unsqueeze(1) for node_B in nodes)], dim=1)
        inside_B = ((number_BN >= self.least_N) & (number_BN < self.count_N)).all(dim=1)
        one_B = self.one_1.index_select(0, torch.where(inside_B, 0, OUTSIDE))
        return tuple(torch.where(inside_B, score_B * one_B, torch.nan) for score_B in scores)
