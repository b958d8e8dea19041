"""`Health`: whether a layer still makes use of its experts, epoch by epoch, and in words when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.training.sharing.sharing_matrix import Sharing, sharing
from aesm_dsl.training.sharing.usage import Usage

ALIKE = 0.9
"""All nodes use the same experts if no two of them share less than this (weighted Jaccard)."""

SHARED = 0.5
"""Nodes divide few experts among themselves if two of them share less than this."""

DIGITS = 4
"""Decimals of the weights that a history keeps."""


@dataclass(frozen=True, slots=True)
class Health:
    """How one layer's experts were used at the end of an epoch, without noise."""

    level: str
    layer: int
    in_use: int
    """As `Sharing.in_use`."""
    dead: tuple[int, ...]
    """Numbers of the experts whose role is "dead"."""
    occupied: dict[int, str]
    """As `Sharing.occupied`."""
    entropy: float
    mutual_information: float
    gradient: tuple[float, ...]
    """For every expert its share of the layer's squared gradient over the epoch; empty if it was not measured."""
    rows_N: tuple[int, ...] = ()
    """Rows of each node that were measured. Empty, like the next field, in histories of older versions."""
    weight_NE: tuple[tuple[float, ...], ...] = ()
    """Mean mixture weight of each expert over each node's rows, to DIGITS."""


def health(usage: Usage, gradients: Mapping[tuple[str, int], tuple[float, ...]]) -> tuple[Health, ...]:
    """Returns the health of every layer that a row has passed through."""
    healths = []
    for layer in usage:
        if not sum(layer.rows_N):
            continue
        shared = sharing(layer)
        dead = tuple(expert for expert, role in enumerate(shared.roles) if role.kind == "dead")
        gradient = gradients.get((layer.level, layer.layer), ())
        healths.append(
            Health(
                layer.level,
                layer.layer,
                shared.in_use,
                dead,
                shared.occupied,
                shared.entropy,
                shared.mutual_information,
                gradient,
                layer.rows_N,
                tuple(tuple(round(weight, DIGITS) for weight in row) for row in layer.weight_NE),
            )
        )
    return tuple(healths)


def report_collapse(plan: Plan, usage: Usage, findings: Findings, locate: Locate) -> None:
    """Warns about levels whose experts have collapsed, at most once per level, and names the layers.

    W601: the rows of the level together use no more experts than one row may. W602: the nodes of a scenario level all
    use the same experts.
    """
    stacks = {level.name: level.layers for level in plan.levels} | {TASKS: plan.tasks.layers}
    for name, stack in stacks.items():
        shared = [sharing(layer) for layer in usage if layer.level == name and any(layer.rows_N)]
        path = "tasks.experts" if name == TASKS else f"level.{name}.experts"
        few = [layer for layer in shared if _uses_few(layer, stack[layer.layer])]
        alike = [
            layer
            for layer in shared
            if name != TASKS and layer not in few and _nodes_are_alike(layer, stack[layer.layer])
        ]
        if few:
            most = max(layer.in_use for layer in few)
            findings.add(
                "W601",
                f"most rows of level `{name}` use only {most} of its {len(few[0].roles)} experts{_where(few, stack)}",
                locate(path),
                label="the others have hardly learnt",
                help=HELP,
            )
        elif alike:
            findings.add(
                "W602",
                f"all nodes of level `{name}` use the same experts{_where(alike, stack)}",
                locate(path),
                label="nothing is specific to a node",
                help=HELP,
            )


HELP = (
    "exploration keeps experts in play: `noise = anneal(from: 2.0, over: 100%)` in `train`",
    "if the nodes are that much alike, fewer experts (`count`) are as good",
)


def _uses_few(shared: Sharing, layer: LayerPlan) -> bool:
    """At most half the experts are in use, no more than a single row may run, and not because nodes divide them up."""
    fewest, most = max(layer.specific, layer.shared), layer.specific + layer.shared
    if most >= layer.experts or 2 * shared.in_use > layer.experts:
        return False
    return shared.in_use <= fewest or (shared.in_use <= most and _least_shared(shared) >= SHARED)


def _nodes_are_alike(shared: Sharing, layer: LayerPlan) -> bool:
    """Two nodes or more could use different experts, and all of them use the same."""
    free = layer.specific + layer.shared < layer.experts
    return free and bool(np.diag(shared.matrix.matrix).sum() > 1) and _least_shared(shared) >= ALIKE


def _least_shared(shared: Sharing) -> float:
    """The smallest entry of the sharing matrix among nodes with rows; 1 if there is one such node."""
    matrix_NN = shared.matrix.matrix
    visited_N = np.diag(matrix_NN) > 0
    return float(matrix_NN[np.ix_(visited_N, visited_N)].min())


def _where(layers: list[Sharing], stack: tuple[LayerPlan, ...]) -> str:
    """Which of the level's layers these are, in words; nothing if they are all of them."""
    if len(layers) == len(stack):
        return ""
    numbers = [str(layer.layer + 1) for layer in layers]
    which = f"layer {numbers[0]}" if len(numbers) == 1 else f"layers {', '.join(numbers)}"
    return f" ({which} of {len(stack)})"
