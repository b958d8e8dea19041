"""`MMoE`: multi-gate mixture-of-experts (Ma, Zhao, Yi, Chen, Hong, Chi, KDD 2018).

Axes: B rows sorted by leaf, D input width, T tasks, E experts, F expert output width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class MMoE(nn.Module):
    """Experts that all run on every row; a softmax gate and a tower for each (leaf, task).

    logit_t = tower_{leaf, t}( sum over e of softmax(gate_{leaf, t}(x))_e * expert_e(x) )
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves, tasks, width = baseline.leaves, len(plan.tasks.tasks), baseline.input_width(plan.width)
        self.experts = bottom_mlps(width, baseline, copies=baseline.experts)
        self.gates = Linears(leaves, tasks, width, baseline.experts)
        self.towers = Towers(plan, leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        x_1BD = x_BD.unsqueeze(0)
        y_EBF = self.experts(x_1BD, rows)
        weight_TBE = full_precision(self.gates(x_1BD, rows)).softmax(dim=-1)
        h_TBF = torch.einsum("tbe,ebf->tbf", weight_TBE, y_EBF)
        logit_TB: Tensor = self.towers(h_TBF, rows)
        return logit_TB
