"""Do the parts of a run fit each other? What a folder holds may have been written by anybody.

Each function raises ValueError, with what is wrong where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import torch
from safetensors.torch import load_file

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import DateEncoder
from aesm_dsl.data.reading.timestamps import PARTS
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import LayerPlan, Plan
from aesm_dsl.plan.tables import embedding_tables

MOST_LEAVES = 1_000_000
MOST_EXPERTS = 100_000
"""More than any spec asks for: a plan of more would only fill the memory."""


def check_plan(plan: Plan) -> Plan:
    """The plan, if all of its numbers can be used."""
    names = [one.name for one in plan.features]
    for one in plan.features:
        _known(f"features `{one.name}`", [name for name in (one.table, *one.crossed) if name], names)
        _positive(f"features `{one.name}`", one.width, one.rows if one.slots else 1, one.slots + one.values)
        _positive(f"features `{one.name}`", one.slots + 1, one.values + 1, one.min_count + 1, one.given + 1)
    if len(set(names)) < len(names):
        raise ValueError("two features have one name")
    if math.prod(max(1, len(level.nodes)) for level in plan.levels) > MOST_LEAVES:
        raise ValueError("the levels have too many leaves")
    for place, level in enumerate(plan.levels):
        above = len(plan.levels[place - 1].nodes) if place else 0
        if not level.nodes or not all(0 <= parent < above for node in level.nodes for parent in node.parents):
            raise ValueError(f"level `{level.name}` has no nodes, or nodes under others that are not there")
        if place and not all(node.parents for node in level.nodes):
            raise ValueError(f"level `{level.name}` has nodes under nothing")
        _positive(f"level `{level.name}`", level.width)
        _check_layers(f"level `{level.name}`", level.layers)
    if not plan.tasks.tasks:
        raise ValueError("there are no tasks")
    for index, task in enumerate(plan.tasks.tasks):
        for other in (task.after, task.where):
            if other is not None and not (0 <= other < len(plan.tasks.tasks) and other != index):
                raise ValueError(f"task `{task.name}` follows a task that is not there")
    for task in plan.tasks.tasks:
        for step in ("after", "where"):
            seen, here = 0, task
            while (following := getattr(here, step)) is not None:
                here, seen = plan.tasks.tasks[following], seen + 1
                if seen > len(plan.tasks.tasks):
                    raise ValueError(f"task `{task.name}` follows itself")
    _positive("tasks", plan.tasks.width, *plan.tasks.tower)
    _check_layers("tasks", plan.tasks.layers)
    return plan


def _check_layers(where: str, layers: Sequence[LayerPlan]) -> None:
    for one in layers:
        _positive(where, one.input, one.context + 1, one.nodes, one.experts, *one.hidden, len(one.hidden))
        _positive(where, one.specific + 1, one.shared + 1, one.specific + one.shared, one.budget or 1)
        if one.experts > MOST_EXPERTS or max(one.specific, one.shared) > one.experts:
            raise ValueError(f"{where} has {one.experts} experts")


def _positive(where: str, *sizes: int) -> None:
    for size in sizes:
        if size < 1:
            raise ValueError(f"{where} has a size of {size}")


def _known(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{where} is made of `{name}`, which is no feature")


def check_encoders(encoders: Encoders, plan: Plan) -> Encoders:
    """The encoders, if they are those of the plan's features."""
    if [one.name for one in encoders.encoders] != [one.name for one in plan.features]:
        raise ValueError("they are not those of the plan's features")
    for encoder, feature in zip(encoders.encoders, plan.features, strict=True):
        if encoder.rows != (feature.rows if feature.slots else 0) or encoder.slots != feature.slots:
            raise ValueError(f"`{encoder.name}` gives other ids than the plan has")
        if getattr(encoder, "column", "") != feature.column:
            raise ValueError(f"`{encoder.name}` reads another column than the plan says")
        if getattr(encoder, "buckets", 1) < 1 or not getattr(encoder, "deviation", 1.0):
            raise ValueError(f"`{encoder.name}` divides by zero")
        if isinstance(encoder, DateEncoder):
            ZoneInfo(encoder.zone or "UTC")
            if not set(encoder.parts) <= set(PARTS):
                raise ValueError(f"`{encoder.name}` has parts that no date has")
    return encoders


def load_network(plan: Plan, weights: Path) -> AnyNetwork:
    """The plan's network with the weights of a file, if their names, shapes and values are right.

    A plan of sizes beyond what the file holds is refused before anything is allocated.
    """
    tables = sum(table.rows * table.width for table in embedding_tables(plan))
    parameters, size = cost(plan).total.parameters + tables, weights.stat().st_size
    if 4 * parameters > size:
        raise ValueError(f"its {size:,} bytes cannot hold the plan's {parameters:,} parameters")
    with torch.random.fork_rng(devices=[]):
        network = build_network(plan)
    expected = {name: tuple(one.shape) for name, one in network.state_dict().items()}
    tensors = load_file(weights)
    found = {name: tuple(one.shape) for name, one in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            one, other = (list(known[name]) if name in known else "nothing" for known in (found, expected))
            raise ValueError(f"`{name}` is of shape {one}, the plan's is {other}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"`{name}` holds values that are no numbers")
    network.load_state_dict(tensors)
    return network.eval()
