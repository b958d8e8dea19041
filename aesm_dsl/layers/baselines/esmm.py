"""`ESMM`: entire space multi-task model (Ma, Zhao, Huang, Wang, Hu, Zhu, Gai, SIGIR 2018).

Axes: B rows sorted by leaf, D input width, T tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class ESMM(nn.Module):
    """Shared embeddings, and an MLP for each task; the funnel multiplies the probabilities.

        logit_t = tower_t(bottom_t([x; leaf embedding]))

    The leaf is one more feature: nothing but its embedding belongs to a leaf alone.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.leaf = nn.Embedding(baseline.leaves, baseline.embed)
        nn.init.normal_(self.leaf.weight, std=START_STD)
        self.bottom = bottom_mlps(plan.width + baseline.embed, baseline, copies=len(plan.tasks.tasks))
        self.towers = Towers(plan, 1, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        x_BD = torch.cat([x_BD, self.leaf(rows.leaf_B)], dim=1)
        logit_TB: Tensor = self.towers(self.bottom(x_BD.unsqueeze(0), rows), rows)
        return logit_TB
