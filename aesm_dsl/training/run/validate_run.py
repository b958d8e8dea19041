"""Do the parts of a run fit each other? Anybody may have written what a folder holds.

Each function raises ValueError, and says what is wrong where.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import torch
from safetensors.torch import load_file

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.feature_encoders import DateEncoder
from aesm_dsl.data.encoding.list_encoders import StepsEncoder
from aesm_dsl.data.reading.timestamps import PARTS
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.plan.bottom import GATES, INTERACTIONS, BottomPlan
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.features import FeaturePlan, NumberEncoding
from aesm_dsl.plan.plan import MOST_LEAVES, LayerPlan, Plan
from aesm_dsl.plan.pools import pools_of
from aesm_dsl.plan.tables import embedding_tables

MOST_EXPERTS = 100_000
"""More than any spec asks for: a larger plan would only fill the memory."""


def check_plan(plan: Plan) -> Plan:
    """Returns the plan if all of its numbers can be used."""
    names = [feature.name for feature in plan.all_features]
    for feature in plan.all_features:
        where = f"features `{feature.name}`"
        _known(where, [name for name in (feature.table, feature.steps, *feature.crossed) if name], names)
        _positive(where, feature.width, feature.rows if feature.slots else 1, feature.slots + feature.values)
        if feature.encoding is not None:
            _check_encoding(where, feature, feature.encoding)
        _positive(where, feature.slots + 1, feature.values + 1, feature.min_count + 1, feature.given + 1)
    for pool in pools_of(plan.all_features):
        if len({(feature.pool, feature.slots) for feature in pool.members}) > 1:
            raise ValueError(f"features `{pool.members[0].name}` is pooled in several ways")
    if len(set(names)) < len(names):
        raise ValueError("two features have one name")
    leaves_under = [1]  # each node of the level above
    for depth, level in enumerate(plan.levels):
        above = len(plan.levels[depth - 1].nodes) if depth else 0
        if not level.nodes or not all(0 <= parent < above for node in level.nodes for parent in node.parents):
            raise ValueError(f"level `{level.name}` has no nodes, or nodes under others that are not there")
        if depth and not all(node.parents for node in level.nodes):
            raise ValueError(f"level `{level.name}` has nodes under nothing")
        leaves_under = [sum(leaves_under[parent] for parent in node.parents) or 1 for node in level.nodes]
        if sum(leaves_under) > MOST_LEAVES:
            raise ValueError("the levels have too many leaves")
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
            steps, current = 0, task
            while (following := getattr(current, step)) is not None:
                current, steps = plan.tasks.tasks[following], steps + 1
                if steps > len(plan.tasks.tasks):
                    raise ValueError(f"task `{task.name}` follows itself")
    _positive("tasks", plan.tasks.width, *plan.tasks.tower)
    _check_layers("tasks", plan.tasks.layers)
    if plan.bottom is not None:
        _check_bottom(plan, plan.bottom)
    return plan


def _check_encoding(where: str, feature: FeaturePlan, encoding: NumberEncoding) -> None:
    if encoding.kind not in ("piecewise", "periodic") or feature.slots:
        raise ValueError(f"{where} has the encoding `{encoding.kind}`")
    _positive(where, encoding.size)


def _check_bottom(plan: Plan, bottom: BottomPlan) -> None:
    if bottom.gate not in GATES:
        raise ValueError(f"the bottom has the gate `{bottom.gate}`")
    if bottom.gate == "senet":
        _positive("the bottom", bottom.reduction)
    _positive("the bottom", *bottom.gate_widths(plan.features, plan.node_width))
    if bottom.interaction not in INTERACTIONS:
        raise ValueError(f"the bottom has the interaction `{bottom.interaction}`")
    _positive(
        "the bottom", *{"dcn_v2": (bottom.layers, bottom.rank), "fm": (bottom.factors,)}.get(bottom.interaction, ())
    )


def _check_layers(where: str, layers: Sequence[LayerPlan]) -> None:
    for layer in layers:
        _positive(where, layer.input, layer.context + 1, layer.nodes, layer.experts, *layer.hidden, len(layer.hidden))
        _positive(where, layer.specific + 1, layer.shared + 1, layer.specific + layer.shared, layer.budget or 1)
        if layer.experts > MOST_EXPERTS or max(layer.specific, layer.shared) > layer.experts:
            raise ValueError(f"{where} has {layer.experts} experts")


def _positive(where: str, *sizes: int) -> None:
    for size in sizes:
        if size < 1:
            raise ValueError(f"{where} has a size of {size}")


def _known(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{where} is made of `{name}`, which is no feature")


def check_encoders(encoders: Encoders, plan: Plan) -> Encoders:
    """Returns the encoders if they are those of the plan's features."""
    if [encoder.name for encoder in encoders.encoders] != [feature.name for feature in plan.all_features]:
        raise ValueError("they are not those of the plan's features")
    steps = {one: pool.names for pool in pools_of(plan.all_features) for one in pool.names}
    for encoder, feature in zip(encoders.encoders, plan.all_features, strict=True):
        if encoder.rows != (feature.rows if feature.slots else 0) or encoder.slots != feature.slots:
            raise ValueError(f"`{encoder.name}` gives other ids than the plan has")
        if getattr(encoder, "column", "") != feature.column:
            raise ValueError(f"`{encoder.name}` reads another column than the plan says")
        if getattr(encoder, "buckets", 1) < 1 or not getattr(encoder, "deviation", 1.0):
            raise ValueError(f"`{encoder.name}` divides by zero")
        if isinstance(encoder, StepsEncoder) and encoder.steps != steps[encoder.name]:
            raise ValueError(f"`{encoder.name}` has other steps than the plan says")
        if isinstance(encoder, DateEncoder):
            ZoneInfo(encoder.zone or "UTC")
            if not set(encoder.parts) <= set(PARTS):
                raise ValueError(f"`{encoder.name}` has parts that no date has")
    return encoders


def load_network(plan: Plan, weights: Path) -> AnyNetwork:
    """Returns the plan's network with the weights of a file, in evaluation mode, if names, shapes and values are right.

    A plan whose sizes exceed what the file holds is refused before anything is allocated.
    """
    tables = sum(table.rows * table.width for table in embedding_tables(plan))
    parameters, size = cost(plan).total.parameters + tables, weights.stat().st_size
    if 4 * parameters > size:
        raise ValueError(f"its {size:,} bytes cannot hold the plan's {parameters:,} parameters")
    with torch.random.fork_rng(devices=[]):
        network = build_network(plan)
    planned = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    tensors = load_file(weights)
    stored = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(planned.keys() | stored.keys()):
        if planned.get(name) != stored.get(name):
            actual, expected = (list(shapes[name]) if name in shapes else "nothing" for shapes in (stored, planned))
            raise ValueError(f"`{name}` is of shape {actual}, the plan's is {expected}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"`{name}` holds values that are no numbers")
    network.load_state_dict(tensors)
    return network.eval()
