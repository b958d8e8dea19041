"""`AITM`: adaptive information transfer multi-task framework (Xi et al., KDD 2021).

Axes: B rows sorted by leaf, D input width, T tasks, F output width of a bottom, U the two vectors that are attended to,
P the three projections.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, MLPs, Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class AITM(nn.Module):
    """A bottom for each task, to which the task that it follows passes on what it knows; a tower for each (leaf, task).

        q_t = bottom_t(x);  z_t = q_t if t follows no task, else transfer_t(z of the task that t follows, q_t)
        logit_t = tower_{leaf, t}(z_t)

    The paper's behavioural expectation calibrator punishes a probability that is larger than that of the task before.
    It is left out: the funnel multiplies probabilities, so there is nothing to punish.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.after = [task.after for task in plan.tasks.tasks]
        self.bottoms = bottom_mlps(baseline.input_width(plan.width), baseline, copies=len(self.after))
        self.transfers = nn.ModuleDict(
            {str(task): Transfer(baseline) for task, after in enumerate(self.after) if after is not None}
        )
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        q_TBF = self.bottoms(x_BD.unsqueeze(0), rows)
        z: dict[int, Tensor] = {}

        def informed(task: int) -> Tensor:
            if task not in z:
                q_BF, after = q_TBF[task], self.after[task]
                z[task] = q_BF if after is None else self.transfers[str(task)](informed(after), q_BF, rows)
            return z[task]

        z_TBF = torch.stack([informed(task) for task in range(len(self.after))])
        logit_TB: Tensor = self.towers(z_TBF, rows)
        return logit_TB


class Transfer(nn.Module):
    """z_BF of a task, from what the task before it passes on and from its own vector.

    p = MLP(z of the task before);  for u in (p, q): weight_u = softmax over u of <key(u), query(u)> / sqrt(F)
    z = sum over u of weight_u * value(u)
    """

    def __init__(self, baseline: BaselinePlan) -> None:
        super().__init__()
        width = baseline.output
        self.passed = MLPs(1, 1, (width, width), activation=baseline.activation, dropout=baseline.dropout)
        self.projections = Linears(1, 3, width, width)  # value, key, query

    def forward(self, before_BF: Tensor, q_BF: Tensor, rows: SortedRows) -> Tensor:
        """Returns z_BF.

        Args:
            before_BF: z of the task before.
            q_BF: the task's own vector.
            rows: the leaves of the rows; they share all parameters here.
        """
        p_BF = self.passed(before_BF.unsqueeze(0), rows).squeeze(0)
        both_1XF = torch.cat([p_BF, q_BF]).unsqueeze(0)
        value_UBF, key_UBF, query_UBF = self.projections(both_1XF, rows).unflatten(1, (2, q_BF.shape[0])).unbind(0)
        score_UB = (full_precision(key_UBF) * full_precision(query_UBF)).sum(dim=-1) / q_BF.shape[1] ** 0.5
        z_BF: Tensor = (score_UB.softmax(dim=0).unsqueeze(-1) * value_UBF).sum(dim=0)
        return z_BF
