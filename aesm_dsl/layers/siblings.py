"""`Siblings`: the nodes that a row's node is compared with, if a level compares siblings only (method.md eq. 3).

Axes: B rows, L scenario levels, N nodes of a level, P nodes of the level above.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from aesm_dsl.plan.plan import LevelPlan


class Siblings(nn.Module):
    """among_BN of every level, bool: the nodes under the row's node of the level above, and the row's own node.

    None for a level that compares all its nodes: its layers do not ask for siblings, or every parent has all nodes.
    Under an unknown parent, all nodes of the level are siblings.
    """

    def __init__(self, levels: tuple[LevelPlan, ...]) -> None:
        super().__init__()
        tables = [None, *(_under(above, level) for above, level in pairwise(levels))][: len(levels)]
        # Known from the plan, so they are not saved with the weights of a run.
        for index, under_PN in enumerate(tables):
            self.register_buffer(f"under_{index}", under_PN, persistent=False)
        self.levels = len(levels)

    def forward(self, node_BL: Tensor) -> list[Tensor | None]:
        """Returns among_BN, or None, of every level; node_BL has each row's node at every level."""
        among: list[Tensor | None] = []
        for index in range(self.levels):
            under_PN: Tensor | None = self.get_buffer(f"under_{index}") if index else None
            among.append(None if under_PN is None else _among(under_PN, node_BL[:, index - 1], node_BL[:, index]))
        return among


def _under(above: LevelPlan, level: LevelPlan) -> Tensor | None:
    """bool (P + 1, N): the nodes under each parent; in the last row those under an unknown parent, which are all."""
    asked = any(layer.compare == "siblings" for layer in level.layers)
    under_PN = [[parent in node.parents for node in level.nodes] for parent in range(len(above.nodes))]
    if not asked or all(all(under_N) for under_N in under_PN):
        return None
    return torch.tensor([*under_PN, [True] * len(level.nodes)])


def _among(under_PN: Tensor, parent_B: Tensor, node_B: Tensor) -> Tensor:
    own_BN = torch.arange(under_PN.shape[1], device=node_B.device) == node_B.unsqueeze(-1)
    return under_PN[torch.where(parent_B < 0, under_PN.shape[0] - 1, parent_B)] | own_BN
