"""`STAR`: star topology adaptive recommender (Sheng et al., CIKM 2021).

Axes: L leaves, B rows sorted by leaf, D width of x, G Linears side by side, H output width, T tasks.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.baselines.partition import PartitionNorm
from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.experts import ACTIVATIONS
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import Linears, MLPs, apply_linears
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class STAR(nn.Module):
    """Partitioned normalisation, a star-topology MLP with a tower per task, and an auxiliary network for the leaf.

    z = normalise_leaf(x);  every Linear above has the leaf's weights W * W_leaf (elementwise), bias b + b_leaf
    logit_t = tower_t(bottom(z)) + auxiliary([x; leaf embedding])_t
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves, tasks = baseline.leaves, plan.tasks
        self.norm = PartitionNorm(leaves, plan.width)
        bottom, tower = (plan.width, *baseline.hidden), (baseline.output, *tasks.tower)
        self.bottom = nn.ModuleList(StarLinears(leaves, 1, before, after) for before, after in pairwise(bottom))
        self.towers = nn.ModuleList(
            StarLinears(leaves, len(tasks.tasks), before, after) for before, after in pairwise(tower)
        )
        self.head = StarLinears(leaves, len(tasks.tasks), tower[-1], 1)
        self.activation, self.dropout = ACTIVATIONS[baseline.activation], baseline.dropout
        self.tower_activation, self.tower_dropout = ACTIVATIONS[tasks.tower_activation], tasks.tower_dropout
        self.leaf = nn.Embedding(leaves, baseline.embed)
        nn.init.normal_(self.leaf.weight, std=START_STD)
        auxiliary = (plan.width + baseline.embed, *baseline.auxiliary)
        self.auxiliary = MLPs(1, 1, auxiliary, baseline.activation, baseline.dropout)
        self.auxiliary_head = Linears(1, 1, auxiliary[-1], len(tasks.tasks))

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        h = self.norm(x_BD, rows).unsqueeze(0)
        for linear in self.bottom:
            h = functional.dropout(self.activation(linear(h, rows)), self.dropout, self.training)
        for linear in self.towers:
            h = functional.dropout(self.tower_activation(linear(h, rows)), self.tower_dropout, self.training)
        told_1BD = torch.cat([x_BD, self.leaf(rows.leaf_B)], dim=1).unsqueeze(0)
        auxiliary_BT = self.auxiliary_head(self.auxiliary(told_1BD, rows), rows).squeeze(0)
        logit_TB: Tensor = self.head(h, rows).squeeze(-1) + auxiliary_BT.T
        return logit_TB


class StarLinears(nn.Module):
    """y_GBH: each row through G Linears with weights `shared * leaf's` and bias `shared + leaf's`.

    The leaves' factors start at 1 and their biases at 0: a leaf starts as the shared network, and one that no row
    visits stays it.
    """

    def __init__(self, leaves: int, copies: int, before: int, after: int) -> None:
        super().__init__()
        self.shared = Linears(1, copies, before, after)
        self.factor_LGDH = nn.Parameter(torch.ones(leaves, copies, before, after))
        self.bias_LGH = nn.Parameter(torch.zeros(leaves, copies, after))

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        return apply_linears(h, *self.of_leaves(), rows)

    def of_leaves(self) -> tuple[Tensor, Tensor]:
        """weight_LGDH, bias_LGH: what each leaf's Linears amount to."""
        return self.shared.weight_LGDH * self.factor_LGDH, self.shared.bias_LGH + self.bias_LGH
