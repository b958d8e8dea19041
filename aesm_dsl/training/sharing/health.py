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
"""All nodes use the same experts when no two of them share less than this (weighted Jaccard)."""

SHARED = 0.5
"""Nodes divide few experts up among them when two of them share less than this."""

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
    """Experts whose role is "dead"."""
    occupied: dict[int, str]
    """As `Sharing.occupied`."""
    entropy: float
    mutual_information: float
    gradient: tuple[float, ...]
    """Per expert its share of the layer's squared gradient over the epoch; empty where nothing was looked at."""
    rows_N: tuple[int, ...] = ()
    """Rows of each node that were looked at; empty, as the next, in histories that were written without."""
    weight_NE: tuple[tuple[float, ...], ...] = ()
    """Mean mixture weight of each expert over each node's rows, to DIGITS."""


def health(usage: Usage, gradients: Mapping[tuple[str, int], tuple[float, ...]]) -> tuple[Health, ...]:
    """One per layer that any row has passed through."""
    found = []
    for layer in usage:
        if not sum(layer.rows_N):
            continue
        seen = sharing(layer)
        dead = tuple(expert for expert, role in enumerate(seen.roles) if role.kind == "dead")
        gradient = gradients.get((layer.level, layer.layer), ())
        found.append(
            Health(
                layer.level,
                layer.layer,
                seen.in_use,
                dead,
                seen.occupied,
                seen.entropy,
                seen.mutual_information,
                gradient,
                layer.rows_N,
                tuple(tuple(round(weight, DIGITS) for weight in row) for row in layer.weight_NE),
            )
        )
    return tuple(found)


def tell_collapse(plan: Plan, usage: Usage, findings: Findings, locate: Locate) -> None:
    """W601 for a level whose rows together use no more experts than one row may, W602 for a scenario level whose nodes
    all use the same ones; at most one of them per level, with the layers it is true of."""
    stacks = {level.name: level.layers for level in plan.levels} | {TASKS: plan.tasks.layers}
    for name, stack in stacks.items():
        seen = [sharing(layer) for layer in usage if layer.level == name and any(layer.rows_N)]
        path = "tasks.experts" if name == TASKS else f"level.{name}.experts"
        few = [one for one in seen if _is_few(one, stack[one.layer])]
        alike = [one for one in seen if name != TASKS and one not in few and _is_alike(one, stack[one.layer])]
        if few:
            most = max(one.in_use for one in few)
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


def _is_few(seen: Sharing, layer: LayerPlan) -> bool:
    """At most half the experts are in use, no more than a single row may run, and not because nodes divide them up."""
    fewest, most = max(layer.specific, layer.shared), layer.specific + layer.shared
    if most >= layer.experts or 2 * seen.in_use > layer.experts:
        return False
    return seen.in_use <= fewest or (seen.in_use <= most and _least_shared(seen) >= SHARED)


def _is_alike(seen: Sharing, layer: LayerPlan) -> bool:
    """Two nodes or more, free to use different experts, and all of them use the same."""
    free = layer.specific + layer.shared < layer.experts
    return free and bool(np.diag(seen.matrix.matrix).sum() > 1) and _least_shared(seen) >= ALIKE


def _least_shared(seen: Sharing) -> float:
    """The smallest entry of the sharing matrix among nodes with rows: 1 where there is one such node."""
    matrix_NN = seen.matrix.matrix
    seen_N = np.diag(matrix_NN) > 0
    return float(matrix_NN[np.ix_(seen_N, seen_N)].min())


def _where(found: list[Sharing], stack: tuple[LayerPlan, ...]) -> str:
    """Which of the level's layers, in words; nothing where it is all of them."""
    if len(found) == len(stack):
        return ""
    numbers = [str(one.layer + 1) for one in found]
    which = f"layer {numbers[0]}" if len(numbers) == 1 else f"layers {', '.join(numbers)}"
    return f" ({which} of {len(stack)})"
