"""Small plans of every baseline, with a path that the hierarchy lacks, and batches that visit every leaf."""

from __future__ import annotations

from dataclasses import replace

import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import NodePlan, Plan, TaskPlan
from aesm_dsl.spec.baseline import LEAF_FEATURE
from tests.layers.plans import FUNNEL, make_batch, make_plan

BASELINES = (
    "shared_bottom",
    "mmoe",
    "ple",
    "star",
    "esmm",
    "single",
    "pepnet",
    "adatt",
    "aitm",
    "hinet",
    "m3oe",
    "cross_stitch",
)

BASELINE = BaselinePlan(
    architecture="mmoe",
    leaves=0,
    hidden=(7, 5),
    experts=4,
    specific=2,
    shared=3,
    repeat=3,
    embed=3,
    auxiliary=(4,),
    norm="layer",
    activation="silu",
    dropout=0.0,
    match="parameters",
    aes_parameters=1,
    aes_flops=1,
)

LEVELS = (("country", 2), ("entry", 3), ("card", 2))


def make_baseline(
    architecture: str,
    levels: tuple[tuple[str, int], ...] = LEVELS,
    tasks: tuple[TaskPlan, ...] = FUNNEL,
    **changes: object,
) -> Plan:
    """A plan of the architecture; on the second level, the last node lies under the first node alone."""
    if architecture == "shared_bottom":  # as compile has it: hard sharing knows no funnel
        tasks = tuple(replace(task, joint="direct") for task in tasks)
    plan = make_plan(levels, tasks, repeat=0)
    if len(levels) > 1:
        second = plan.levels[1]
        nodes = (*second.nodes[:-1], NodePlan("odd", "odd", ("odd",), (0,)))
        plan = replace(plan, levels=(plan.levels[0], replace(second, nodes=nodes), *plan.levels[2:]))
    if architecture in LEAF_FEATURE:  # only on request
        changes = {"embed": 0, **changes}
    baseline = replace(BASELINE, architecture=architecture, leaves=len(plan.leaves), **changes)  # type: ignore[arg-type]
    return replace(plan, baseline=baseline)


def visit(plan: Plan, rows: int, seed: int = 0) -> Batch:
    """A batch whose rows lie on the hierarchy's paths; with enough rows on every one of them."""
    batch = make_batch(plan, rows, seed)
    draw = torch.Generator().manual_seed(seed)
    leaf_B = torch.cat([torch.arange(len(plan.leaves)), torch.randint(len(plan.leaves), (rows,), generator=draw)])
    leaf_B = leaf_B[:rows][torch.randperm(rows, generator=draw)]
    return replace(batch, node_BL=torch.tensor(plan.leaves, dtype=torch.int64).view(len(plan.leaves), -1)[leaf_B])
