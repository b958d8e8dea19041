"""Small plans and batches made by hand."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import LayerPlan, LevelPlan, NodePlan, Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan

LAYER = LayerPlan(
    input=6,
    context=3,
    nodes=4,
    experts=5,
    hidden=(7, 6),
    specific=2,
    shared=1,
    norm="layer",
    mixture_norm="layer",
    activation="silu",
    dropout=0.0,
)

TRAINING = TrainingPlan(
    optimizer="adam",
    rate=1e-3,
    weight_decay=0.0,
    schedule="constant",
    batch_rows=32,
    epochs=1.0,
    steps=None,
    patience_epochs=None,
    noise=NoisePlan("constant", 1.0, 1.0, False),
    specific_loss=0.01,
    shared_loss=0.02,
    seed=1,
)


def feature(name: str, rows: int, width: int) -> FeaturePlan:
    return FeaturePlan(name=name, column=name, group="user", kind="id", rows=rows, width=width)


def task(name: str, after: int | None = None, weight: float = 1.0) -> TaskPlan:
    return TaskPlan(name, name, name, "as is", None, after, weight)


FEATURES = (feature("city", 9, 4), feature("age", 5, 2), feature("fund", 20, 4), feature("risk", 3, 2))
FUNNEL = (task("click"), task("cart", after=0), task("purchase", after=1))


def make_plan(
    levels: tuple[tuple[str, int], ...] = (("entry", 3), ("card", 4)),
    tasks: tuple[TaskPlan, ...] = FUNNEL,
    repeat: int = 2,
    layer: LayerPlan = LAYER,
    node_width: int = 3,
) -> Plan:
    """A plan whose levels have `repeat` layers like `layer`, with input, context and nodes filled in."""
    width = sum(one.width for one in FEATURES)
    context = 0
    level_plans = []

    def stack(nodes: int) -> tuple[LayerPlan, ...]:
        nonlocal width
        layers = []
        for _ in range(repeat):
            layers.append(replace(layer, input=width, context=context, nodes=nodes))
            width = layer.output
        return tuple(layers)

    for name, count in levels:
        context += node_width
        nodes = tuple(NodePlan(f"{name}{k}", f"{name}{k}", (str(k),), ()) for k in range(count))
        level_plans.append(LevelPlan(name, name, name, nodes, node_width, stack(count)))
    context += node_width
    task_level = TaskLevelPlan(tasks, node_width, stack(len(tasks)), (8,), "relu", 0.0)
    return Plan("fund", "fund", FEATURES, tuple(level_plans), task_level, TRAINING, None)


def make_batch(plan: Plan, rows: int, seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)

    def column(below: int) -> torch.Tensor:
        return torch.randint(below, (rows,), generator=draw)

    nodes = [column(len(level.nodes)) for level in plan.levels]
    return Batch(
        ids_BS=torch.stack([column(one.rows) for one in plan.all_features if one.slots], 1),
        value_BV=torch.randn(rows, plan.values, generator=draw),
        node_BL=torch.stack(nodes, 1) if nodes else torch.zeros(rows, 0, dtype=torch.int64),
        label_BT=torch.stack([column(2) for _ in plan.tasks.tasks], 1).float(),
        weight_B=torch.rand(rows, generator=draw) + 0.5,
    )


def stir(module: nn.Module, seed: int = 0) -> None:
    """Gates as after some training: they start at zero, where every comparison is a tie."""
    draw = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, AESLayer):
            for parameter in layer.gate.parameters():
                parameter.data.copy_(torch.randn(parameter.shape, generator=draw, dtype=parameter.dtype))
