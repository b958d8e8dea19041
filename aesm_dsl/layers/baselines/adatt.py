"""`AdaTT`: adaptive task-to-task fusion (Li et al., KDD 2023).

Axes: B rows sorted by leaf, D input width, T tasks, S experts of a task, K shared experts, F expert output width,
E = T * S + K experts of a gate.
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


class AdaTT(ExpertLayers):
    """Layers of units, one for each task and one that all share; a tower for each (leaf, task)."""

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__(AdaTTLayer, plan, baseline)


class AdaTTLayer(nn.Module):
    """One layer: the experts of every unit, and its two fusions of them, which are added.

    h'_t = sum over all E experts of softmax(gate_{leaf, t}(h_t))_e * expert_e
           + sum over the S experts of t of v_{leaf, t, s} * expert_{t, s}

    An expert of t is applied to h_t, a shared one to s. The shared unit is fused in the same way, with a gate on s and
    weights for its K experts that all leaves share. The last layer does not fuse it, because no layer above would use
    it. A unit with one expert has no v: the expert is added as it is.
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan, before: int, *, last: bool) -> None:
        super().__init__()
        leaves, tasks = baseline.leaves, len(plan.tasks.tasks)
        self.tasks, self.count, self.last = tasks, baseline.specific, last
        everyone = tasks * baseline.specific + baseline.shared
        self.specific = bottom_mlps(before, baseline, copies=tasks * baseline.specific)
        self.shared = bottom_mlps(before, baseline, copies=baseline.shared)
        self.gates = Linears(leaves, tasks, before, everyone)
        self.native = NativeFusion(leaves, tasks, baseline.specific)
        if not last:
            self.shared_gate = Linears(1, 1, before, everyone)
            self.shared_native = NativeFusion(1, 1, baseline.shared)

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
        all_EBF = torch.cat([specific_XBF, shared_KBF])
        weight_TBE = full_precision(self.gates(h_TBD, rows)).softmax(dim=-1)
        fused_TBF = torch.einsum("tbe,ebf->tbf", weight_TBE, all_EBF)
        fused_TBF = fused_TBF + self.native(specific_XBF.unflatten(0, (self.tasks, self.count)), rows)
        if self.last:
            return fused_TBF, shared
        weight_1BE = full_precision(self.shared_gate(shared, rows)).softmax(dim=-1)
        mixed_1BF = torch.einsum("tbe,ebf->tbf", weight_1BE, all_EBF)
        return fused_TBF, mixed_1BF + self.shared_native(shared_KBF.unsqueeze(0), rows)


class NativeFusion(nn.Module):
    """The residual of a fusion: a unit's own experts, added with learnt weights of each leaf that start as the mean."""

    def __init__(self, leaves: int, units: int, count: int) -> None:
        super().__init__()
        self.count, self.leaves = count, leaves
        if count > 1:
            self.weight_LGS = nn.Parameter(torch.full((leaves, units, count), 1 / count))

    def forward(self, native_GSBF: Tensor, rows: SortedRows) -> Tensor:
        """Returns the sum for each unit, (G, B, F)."""
        if self.count == 1:
            return native_GSBF.squeeze(1)
        one_leaf = self.leaves == 1
        weight_GSB1 = self.weight_LGS.squeeze(0)[..., None, None] if one_leaf else rows.weights(self.weight_LGS)
        return (weight_GSB1 * native_GSBF).sum(dim=1)
