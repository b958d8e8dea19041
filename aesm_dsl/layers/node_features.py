"""`NodeFeatures`: x with zeros where a row does not have a feature, because of its nodes.

Axes: B rows, L scenario levels, N nodes of a level, D width of x.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import LevelPlan


class NodeFeatures(nn.Module):
    """x_BD, in which the vector of a feature that only rows of some nodes have is 0 in all other rows.

    A row of an unknown node has what its other nodes give it.
    """

    everywhere_D: Tensor

    def __init__(self, levels: Sequence[LevelPlan], features: Sequence[FeaturePlan]) -> None:
        super().__init__()
        widths = torch.tensor([feature.width for feature in features])

        def of_columns(has_F: list[bool]) -> Tensor:
            return torch.tensor(has_F).repeat_interleave(widths)

        # Known from the plan, so they are not saved with the weights of a run.
        self.register_buffer("everywhere_D", of_columns([not feature.only for feature in features]), persistent=False)
        self.depths: list[int] = []
        for depth, level in enumerate(levels):
            has_NF = [[(level.name, node.name) in feature.only for feature in features] for node in level.nodes]
            if any(map(any, has_NF)):
                nobody = torch.zeros_like(self.everywhere_D)
                has_ND = torch.stack([*map(of_columns, has_NF), nobody])  # the last row is that of unknown nodes
                self.register_buffer(f"has_{depth}", has_ND, persistent=False)
                self.depths.append(depth)

    def forward(self, x_BD: Tensor, node_BL: Tensor) -> Tensor:
        """Returns x_BD of rows with these nodes."""
        has_BD = self.everywhere_D
        for depth in self.depths:
            has_ND, node_B = self.get_buffer(f"has_{depth}"), node_BL[:, depth]
            has_BD = has_BD | has_ND.index_select(0, torch.where(node_B < 0, has_ND.shape[0] - 1, node_B))
        return torch.where(has_BD, x_BD, 0.0)


def node_features(levels: Sequence[LevelPlan], features: Sequence[FeaturePlan]) -> NodeFeatures | None:
    """Returns the module; None if every row has all features."""
    return NodeFeatures(levels, features) if any(feature.only for feature in features) else None
