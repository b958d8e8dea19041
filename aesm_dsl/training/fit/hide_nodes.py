"""Hides the nodes of some training rows, so that the embedding of unknown nodes is trained. Axes: B rows, L levels."""

from __future__ import annotations

from dataclasses import replace

import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan


def hide_nodes(batch: Batch, levels: tuple[LevelPlan, ...], generator: torch.Generator) -> Batch:
    """Returns the batch with some nodes UNKNOWN: at each level with the probability `hide` of that level.

    Levels hide independently: a new card under a known entry is as much a case as a known card under a new one.

    Args:
        batch: rows with their nodes.
        levels: the plan's levels.
        generator: on the batch's device; it is not used if no level hides anything.
    """
    if not any(level.hide for level in levels):
        return batch
    device = batch.node_BL.device
    hide_L = torch.tensor([level.hide for level in levels], device=device)
    hidden_BL = torch.rand(batch.node_BL.shape, generator=generator, device=device) < hide_L
    return replace(batch, node_BL=batch.node_BL.masked_fill(hidden_BL, UNKNOWN))
