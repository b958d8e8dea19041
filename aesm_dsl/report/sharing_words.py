"""What a run learnt to share, in sentences and expert by expert: who shares with whom, who does not, what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from rich.table import Table

from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.training.sharing.health import ALIKE
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing, sharing
from aesm_dsl.training.sharing.usage import Usage

ALONE = 0.35
"""A node stands alone if it shares less than this with every other one (weighted Jaccard)."""
MOST_PAIRS, MOST_NODES = 6, 8
_ROLES = {"group": "of a group", "shared": "shared by all", "dead": "dead"}


def sharing_sentences(plan: Plan, usage: Usage, *, segments: bool = False) -> list[str]:
    """Returns sentences about every level, by the layer that tells its nodes apart best; none about levels of one node.

    Args:
        plan: of the run.
        usage: on any rows.
        segments: the usage is of values of a feature, not of the level's nodes: then there is nothing to try.
    """
    stacks = {level.name: level.layers for level in plan.levels} | {TASKS: plan.tasks.layers}
    sentences = []
    for layer in usage.shown():
        level_sharing = sharing(layer)
        told = [*_partners(level_sharing, layer), *([] if segments else _to_try(usage, layer, stacks[layer.level]))]
        sentences += [f"`{layer.level}`: {sentence}" for sentence in told]
    return sentences


def _partners(level_sharing: Sharing, layer: LayerUsage) -> Iterator[str]:
    """Who shares with whom, and who with nobody."""
    seen = [at for at, rows in enumerate(layer.rows_N) if rows]
    if len(seen) < 2:
        return
    matrix_NN = level_sharing.matrix.matrix[np.ix_(seen, seen)]
    names = [layer.nodes[at] for at in seen]
    least = float(matrix_NN.min())
    if least >= ALIKE:
        yield f"all {len(names)} nodes use the same experts: every two share at least {least:.0%}"
        return
    others_NN = _without_self(matrix_NN)
    best_N = others_NN.max(axis=1)
    pairs = sorted(
        {tuple(sorted((at, int(others_NN[at].argmax())))) for at in range(len(names)) if best_N[at] >= ALONE},
        key=lambda pair: -matrix_NN[pair],
    )
    if pairs:
        said = [f"`{names[one]}` with `{names[two]}` ({matrix_NN[one, two]:.0%})" for one, two in pairs[:MOST_PAIRS]]
        more = f" and {len(pairs) - MOST_PAIRS:,} more pairs" if len(pairs) > MOST_PAIRS else ""
        yield f"these share most: {', '.join(said)}{more}"
    alone = sorted((at for at in range(len(names)) if best_N[at] < ALONE), key=lambda at: best_N[at])
    if alone:
        said = [
            f"`{names[at]}` (at most {best_N[at]:.0%}, with `{names[int(others_NN[at].argmax())]}`)" for at in alone
        ]
        more = f" and {len(said) - MOST_PAIRS:,} more" if len(said) > MOST_PAIRS else ""
        yield f"hardly sharing with any other: {', '.join(said[:MOST_PAIRS])}{more}"


def _without_self(matrix_NN: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The matrix with what a node shares with itself below everything else."""
    return matrix_NN - 2 * np.eye(len(matrix_NN))


def _to_try(usage: Usage, layer: LayerUsage, stack: Sequence[LayerPlan]) -> Iterator[str]:
    """Settings that what was learnt suggests."""
    path = "tasks" if layer.level == TASKS else f"level {layer.level}"
    layers = [sharing(one) for one in usage.level(layer.level) if any(one.rows_N)]
    if not layers:
        return
    plan = stack[layer.layer]
    in_use = max(one.in_use for one in layers)
    needed = max(in_use, plan.specific, plan.shared)
    if needed < plan.experts:
        carried = f"{in_use} of {plan.experts} experts carry 95 % of all mixtures"
        yield f"{carried}, so try `count = {needed}` in the `experts` of `{path}`: about as good, and smaller"
    matrix_NN = sharing(layer).matrix.matrix
    seen = [at for at, rows in enumerate(layer.rows_N) if rows]
    apart = len(seen) > 1 and float(_without_self(matrix_NN[np.ix_(seen, seen)]).max()) < ALONE
    if apart and plan.shared < plan.experts:
        yield f"nodes hardly share: try `shared = {plan.shared + 1}` in the `experts` of `{path}` if they should"


def role_tables(usage: Usage) -> Iterator[Table]:
    """Yields a table for every level: its experts with role, part of all mixtures, and the rows that select them."""
    for layer in usage.shown():
        if not any(layer.rows_N):
            continue
        level_sharing = sharing(layer)
        largest = sorted(range(len(layer.nodes)), key=lambda at: -layer.rows_N[at])[:MOST_NODES]
        nodes = [at for at in sorted(largest) if layer.rows_N[at]]
        more = sum(1 for rows in layer.rows_N if rows) - len(nodes)
        table = Table(
            title=f"`{layer.level}`, layer {layer.layer + 1}: experts",
            title_justify="left",
            caption="Under a node: the share of its rows that select the expert as specific / as shared."
            + (f" {more:,} smaller nodes are left out; `--format json` has all." if more else ""),
            caption_justify="left",
        )
        table.add_column("expert")
        table.add_column("role")
        table.add_column("of all", justify="right")
        for at in nodes:
            table.add_column(layer.nodes[at], justify="right")
        for expert, role in enumerate(level_sharing.roles):
            owner = f"specific to {role.nodes[0]}" if role.kind == "specific" else _ROLES[role.kind]
            if role.kind == "group":
                owner += f": {', '.join(role.nodes[:3])}{' ...' if len(role.nodes) > 3 else ''}"
            cells = (f"{layer.specific_NE[at][expert]:.0%} / {layer.shared_NE[at][expert]:.0%}" for at in nodes)
            table.add_row(f"e{expert}", owner, f"{level_sharing.share[expert]:.1%}", *cells)
        yield table
