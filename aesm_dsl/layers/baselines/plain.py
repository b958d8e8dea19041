"""`SharedBottom`, `ESMM` and `Single`: MLPs without gates.

Axes: B rows sorted by leaf, D input width, T tasks, F width below the towers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import MLPs, Towers
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class SharedBottom(nn.Module):
    """Hard sharing (Caruana 1997): one bottom for all rows, a tower per (leaf, task).

    logit_t = tower_{leaf, t}(bottom(x))
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.bottom = bottom_mlps(plan.width, baseline)
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        logit_TB: Tensor = self.towers(self.bottom(x_BD.unsqueeze(0), rows), rows)
        return logit_TB


class ESMM(nn.Module):
    """Entire space multi-task model (SIGIR 2018): shared embeddings, an MLP per task, the funnel's product above.

        logit_t = tower_t(bottom_t([x; leaf embedding]))

    The leaf is one more feature: nothing but its embedding is a leaf's own.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.leaf = nn.Embedding(baseline.leaves, baseline.embed)
        nn.init.normal_(self.leaf.weight, std=START_STD)
        self.bottom = bottom_mlps(plan.width + baseline.embed, baseline, copies=len(plan.tasks.tasks))
        self.towers = Towers(plan, 1, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        x_BD = torch.cat([x_BD, self.leaf(rows.leaf_B)], dim=1)
        logit_TB: Tensor = self.towers(self.bottom(x_BD.unsqueeze(0), rows), rows)
        return logit_TB


class Single(nn.Module):
    """One model per leaf: a bottom and a tower per task that see the rows of their leaf alone.

        logit_t = tower_{leaf, t}(bottom_leaf(x))

    The embedding tables are the leaf's own too (`network`), else the leaves would still share what they know of ids.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.bottom = bottom_mlps(plan.width, baseline, leaves=baseline.leaves)
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        logit_TB: Tensor = self.towers(self.bottom(x_BD.unsqueeze(0), rows), rows)
        return logit_TB


def bottom_mlps(before: int, baseline: BaselinePlan, *, leaves: int = 1, copies: int = 1) -> MLPs:
    """The MLPs below the towers, or experts."""
    widths = (before, *baseline.hidden)
    return MLPs(leaves, copies, widths, baseline.activation, baseline.dropout, baseline.norm)
