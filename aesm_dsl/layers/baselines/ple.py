"""`PLE`: progressive layered extraction (Tang, Liu, Zhao, Gong, RecSys 2020), with each (leaf, task) as a task.

Axes: B rows sorted by leaf, D input width, T tasks, S specific experts of a (leaf, task), K shared experts,
F expert output width, E experts of a gate, X specific experts of all tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.baselines.expert_layers import ExpertLayers
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class PLE(ExpertLayers):
    """Layers of specific and shared experts; a tower for each (leaf, task) on the mixture of its last gate."""

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__(PLELayer, plan, baseline)


class PLELayer(nn.Module):
    """One layer: specific experts of every task, shared experts, and the gates that mix them.

    h'_t = softmax(gate_{leaf, t}(h_t)) over [the S specific experts of t, applied to h_t; the K shared, applied to s]
    s'   = softmax(gate(s)) over [all T * S specific experts of the row's leaf; the K shared experts]

    The paper's shared gate mixes the specific experts of all tasks. Here those of other leaves are masked, together
    with their gate columns: otherwise every row would run the experts of every leaf. Without levels nothing is masked.
    The last layer has no shared gate, because no layer above would use it.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan, before: int, *, last: bool) -> None:
        super().__init__()
        leaves, tasks = baseline.leaves, len(plan.tasks.tasks)
        self.tasks, self.count, self.last = tasks, baseline.specific, last
        self.specific = bottom_mlps(before, baseline, leaves=leaves, copies=tasks * baseline.specific)
        self.shared = bottom_mlps(before, baseline, copies=baseline.shared)
        self.gates = Linears(leaves, tasks, before, baseline.specific + baseline.shared)
        if not last:
            self.gate_specific = Linears(leaves, 1, before, tasks * baseline.specific)
            self.gate_shared = Linears(1, 1, before, baseline.shared)

    def forward(self, h: Tensor, shared: Tensor, rows: SortedRows) -> tuple[Tensor, Tensor]:
        """Runs the layer.

        Args:
            h: h_t of the layer below, (T, B, D), or (1, B, D) if all tasks start from x.
            shared: s of the layer below, (1, B, D).
            rows: the leaves of the rows.

        Returns:
            h'_t (T, B, F) and s' (1, B, F); the last layer returns s unchanged.
        """
        h_TBD = h.expand(self.tasks, -1, -1)
        specific_XBF = self.specific(h_TBD.repeat_interleave(self.count, dim=0), rows)
        shared_KBF = self.shared(shared, rows)
        weight_TBE = full_precision(self.gates(h_TBD, rows)).softmax(dim=-1)
        specific_TSBF = specific_XBF.unflatten(0, (self.tasks, self.count))
        mixed_TBF = torch.einsum("tbs,tsbf->tbf", weight_TBE[..., : self.count], specific_TSBF)
        mixed_TBF = mixed_TBF + torch.einsum("tbk,kbf->tbf", weight_TBE[..., self.count :], shared_KBF)
        if self.last:
            return mixed_TBF, shared
        gate_1BE = torch.cat([self.gate_specific(shared, rows), self.gate_shared(shared, rows)], dim=-1)
        all_EBF = torch.cat([specific_XBF, shared_KBF])
        return mixed_TBF, torch.einsum("tbe,ebf->tbf", full_precision(gate_1BE).softmax(dim=-1), all_EBF)
