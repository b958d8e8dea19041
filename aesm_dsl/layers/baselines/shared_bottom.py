"""`SharedBottom`: hard parameter sharing (Caruana, "Multitask Learning", Machine Learning 28, 1997).

Axes: B rows sorted by leaf, D input width, T tasks.
"""

from __future__ import annotations

from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class SharedBottom(nn.Module):
    """One bottom for all rows, and a tower for each (leaf, task).

    logit_t = tower_{leaf, t}(bottom(x))
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.bottom = bottom_mlps(baseline.input_width(plan.width), baseline)
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        logit_TB: Tensor = self.towers(self.bottom(x_BD.unsqueeze(0), rows), rows)
        return logit_TB
