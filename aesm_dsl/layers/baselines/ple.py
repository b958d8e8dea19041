"""`PLE`: progressive layered extraction (Tang et al., RecSys 2020), with each (leaf, task) as a task.

Axes: B rows sorted by leaf, D input width, T tasks, S specific experts of a (leaf, task), K shared experts,
F expert output width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.baselines.plain import bottom_mlps
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, Towers
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class PLE(nn.Module):
    """Layers of specific and shared experts; a tower per (leaf, task) on what its last gate mixes."""

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        inputs = [plan.width, *[baseline.output] * (baseline.repeat - 1)]
        self.layers = nn.ModuleList(
            PLELayer(plan, baseline, before, last=depth == baseline.repeat - 1) for depth, before in enumerate(inputs)
        )
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        own = shared = x_BD.unsqueeze(0)
        for layer in self.layers:
            own, shared = layer(own, shared, rows)
        logit_TB: Tensor = self.towers(own, rows)
        return logit_TB


class PLELayer(nn.Module):
    """What each task of the row's leaf, and the shared experts, hand to the layer above.

    own     h_t of the layer below: (T, B, D), or (1, B, D) where all tasks start from x
    shared  s (1, B, D), what the shared experts of the layer below hand on
    returns own (T, B, F):  h'_t = softmax(gate_{leaf, t}(h_t)) over [its S specific experts of h_t; K shared of s]
            shared (1, B, F):  s' = softmax(gate(s)) over [all T * S specific experts of the row's leaf; K shared];
                               the last layer, where nothing is above, has no such gate and hands on s

    PLE's shared gate mixes the specific experts of all tasks. Those of other leaves are masked here, gate columns
    and all: with them every row would run the experts of every leaf. Without levels nothing is masked.
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

    def forward(self, own: Tensor, shared: Tensor, rows: SortedRows) -> tuple[Tensor, Tensor]:
        h_TBD = own.expand(self.tasks, -1, -1)
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
