"""`M3oE`: multi-domain multi-task mixture-of-experts (Zhang et al., SIGIR 2024), with each leaf as a domain.

Axes: B rows sorted by leaf, D input width, H width of the domain representation, L leaves, T tasks, K common experts,
F expert output width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.baselines.star import StarLinears
from aesm_dsl.layers.experts import ACTIVATIONS
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, Norms, Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class M3oE(nn.Module):
    """Common, domain and task experts on a representation of the domain, fused in two levels with learnt weights.

        z = domain representation(x)
        common_t = sum over the K common experts of softmax(gate_{leaf, t}(z))_k * expert_k(z)
        domain   = a * expert_leaf(z) + (1 - a) * mean of the experts of the other leaves, a = sigmoid(share of leaf)
        task_t   = a * expert_t(z) + (1 - a) * mean of the experts of the other tasks, a = sigmoid(share of t)
        logit_t  = tower_{leaf, t}(common_t + b * domain + c * task_t), b and c sigmoids of parameters of (leaf, t)

    The paper learns the weights of both levels on validation rows, by AutoML. Here they are learnt with all others.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves, tasks, width = baseline.leaves, len(plan.tasks.tasks), baseline.hidden[0]
        self.representation = DomainRepresentation(plan.width, baseline)
        self.common = bottom_mlps(width, baseline, copies=baseline.shared)
        self.domain = bottom_mlps(width, baseline, copies=leaves)
        self.task = bottom_mlps(width, baseline, copies=tasks)
        self.gates = Linears(leaves, tasks, width, baseline.shared) if baseline.shared > 1 else None
        self.domain_share_L1 = nn.Parameter(torch.zeros(leaves, 1)) if leaves > 1 else None
        self.task_share_T = nn.Parameter(torch.zeros(tasks)) if tasks > 1 else None
        self.balance_LGT = nn.Parameter(torch.zeros(leaves, 2, tasks))
        self.towers = Towers(plan, leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        z_1BH = self.representation(x_BD.unsqueeze(0), rows)
        common_TBF = self.common(z_1BH, rows)
        if self.gates is not None:
            weight_TBK = full_precision(self.gates(z_1BH, rows)).softmax(dim=-1)
            common_TBF = torch.einsum("tbk,kbf->tbf", weight_TBK, common_TBF)
        domain_TB1, task_TB1 = rows.weights(self.balance_LGT).sigmoid().unbind(0)
        fused_TBF = common_TBF + domain_TB1 * self._of_domain(z_1BH, rows) + task_TB1 * self._of_tasks(z_1BH, rows)
        logit_TB: Tensor = self.towers(fused_TBF, rows)
        return logit_TB

    def _of_domain(self, z_1BH: Tensor, rows: SortedRows) -> Tensor:
        """The row's leaf and the others, (1, B, F)."""
        expert_LBF: Tensor = self.domain(z_1BH, rows)
        if self.domain_share_L1 is None:
            return expert_LBF
        share_B1 = functional.embedding(rows.leaf_B, self.domain_share_L1).sigmoid()
        return _own_and_others(expert_LBF, rows.own(expert_LBF).unsqueeze(0), share_B1)

    def _of_tasks(self, z_1BH: Tensor, rows: SortedRows) -> Tensor:
        """Each task and the others, (T, B, F)."""
        expert_TBF: Tensor = self.task(z_1BH, rows)
        if self.task_share_T is None:
            return expert_TBF
        return _own_and_others(expert_TBF, expert_TBF, self.task_share_T.sigmoid()[:, None, None])


class DomainRepresentation(nn.Module):
    """z_1BH: a Linear of star topology, as in STAR, with norm, activation and dropout, and a Linear that skips it."""

    def __init__(self, before: int, baseline: BaselinePlan) -> None:
        super().__init__()
        width = baseline.hidden[0]
        self.star = StarLinears(baseline.leaves, 1, before, width)
        self.norm = Norms(1, 1, width) if baseline.norm == "layer" else None
        self.skip = Linears(1, 1, before, width)
        self.activation, self.dropout = ACTIVATIONS[baseline.activation], baseline.dropout

    def forward(self, x_1BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns z_1BH."""
        h_1BH = self.star(x_1BD, rows)
        if self.norm is not None:
            h_1BH = self.norm(h_1BH, rows)
        h_1BH = functional.dropout(self.activation(h_1BH), self.dropout, self.training)
        z_1BH: Tensor = h_1BH + self.skip(x_1BD, rows)
        return z_1BH


def _own_and_others(all_experts: Tensor, own: Tensor, share: Tensor) -> Tensor:
    """share * own + (1 - share) * the mean of all experts, along the first axis, but the own one."""
    others = (all_experts.sum(dim=0, keepdim=True) - own) / (len(all_experts) - 1)
    return share * own + (1 - share) * others
