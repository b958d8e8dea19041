"""`Experts`: the experts of one layer, all of them MLPs of one shape with stacked parameters.

Axes: B rows, G gates per row, E experts, D input width, H width of one block, F output width.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.choose_execution import choose_execution
from aesm_dsl.layers.no_compile import no_compile
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.sparse_experts import GroupedPairs, Pairs, SegmentPairs
from aesm_dsl.plan.plan import LayerPlan

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": functional.silu, "relu": functional.relu}

MOMENTUM = 0.1
"""How much of a batch's statistics enters the running ones, where batch norm is asked for."""

EPSILON = 1e-5
"""Added to variances, as torch's norms do."""


class Experts(nn.Module):
    """y_BGF: for each gate of a row, the mixture of expert outputs by `weight` (eq. 7).

    x_BD        one input per row
    weight_BGE  mixture weights of the row's gates: G = 1 where a row has one gate, G = T where T tasks
                share the row's input, so that an expert runs once per row and not once per task
    A weight of exactly 0 means that the row's gate does not need the expert.
    """

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        self.plan = plan
        widths = (plan.input, *plan.hidden)
        self.blocks = nn.ModuleList(
            ExpertBlock(plan.experts, before, after, plan.norm, plan.activation, plan.dropout)
            for before, after in pairwise(widths)
        )

    def forward(self, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
        way = choose_execution(self.plan, x_BD, weight_BGE.shape[1])
        if way == "dense":
            return run_dense(self.blocks, x_BD, weight_BGE)
        runs_BE = (weight_BGE != 0).any(dim=1)
        if way == "loop":
            return run_segments(self.blocks, x_BD, weight_BGE, runs_BE)
        return run_sparse(self.blocks, x_BD, weight_BGE, GroupedPairs(runs_BE, self.plan.most(weight_BGE.shape[1])))


def run_dense(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
    """y_BGF, by running every expert on every row.

    Any other way of running the experts takes the same arguments and gives the same result.
    """
    h_EBD = x_BD.expand(weight_BGE.shape[-1], *x_BD.shape)
    runs_EB = (weight_BGE != 0).any(dim=1).T
    for block in blocks:
        h_EBD = block(h_EBD, runs_EB)
    return torch.einsum("bge,ebf->bgf", weight_BGE, h_EBD)


def run_sparse(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor, pairs: Pairs) -> Tensor:
    """y_BGF, by running each expert on the rows that have a weight for it."""
    h_PD = x_BD.index_select(0, pairs.row_P)
    for block in blocks:
        assert isinstance(block, ExpertBlock)
        h_PD = block.on_pairs(h_PD, pairs)
    return pairs.mix(h_PD, weight_BGE)


@no_compile
def run_segments(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor, runs_BE: Tensor) -> Tensor:
    """y_BGF, one expert after the other: as many rows as select it, which no graph knows before."""
    return run_sparse(blocks, x_BD, weight_BGE, SegmentPairs(runs_BE))


class ExpertBlock(nn.Module):
    """h_EBH from h_EBD: Linear -> norm -> activation -> dropout, each expert with parameters of its own.

    runs_EB  bool; the rows that run each expert. Batch norm takes its statistics from them alone, so that an
             expert learns the same whether or not it is computed on rows that have no use for it.
    """

    # Shape suffixes, not mixed case.
    mean_EH: Tensor
    variance_EH: Tensor

    def __init__(self, experts: int, before: int, after: int, norm: str, activation: str, dropout: float) -> None:
        super().__init__()
        if norm not in ("layer", "batch", "none"):
            raise ValueError(f"expert norm {norm!r}, expected 'layer', 'batch' or 'none'")
        self.norm = norm
        self.activation = ACTIVATIONS[activation]
        self.dropout = dropout
        self.weight_EDH = nn.Parameter(torch.empty(experts, before, after))
        self.bias_EH = nn.Parameter(torch.empty(experts, after))
        self.scale_EH = nn.Parameter(torch.ones(experts, after)) if norm != "none" else None
        self.shift_EH = nn.Parameter(torch.zeros(experts, after)) if norm != "none" else None
        if norm == "batch":
            self.register_buffer("mean_EH", torch.zeros(experts, after))
            self.register_buffer("variance_EH", torch.ones(experts, after))
        # As nn.Linear starts, by the fan-in of one expert. Drawn for the whole stack, so that no two experts
        # are equal: equal experts with equal weights get equal gradients and would stay one expert.
        bound = before**-0.5
        nn.init.uniform_(self.weight_EDH, -bound, bound)
        nn.init.uniform_(self.bias_EH, -bound, bound)

    def forward(self, h_EBD: Tensor, runs_EB: Tensor) -> Tensor:
        h_EBH = torch.baddbmm(self.bias_EH.unsqueeze(1), h_EBD, self.weight_EDH)
        if self.scale_EH is not None and self.shift_EH is not None:
            if self.norm == "batch":
                mean_EH, variance_EH = self._statistics(lambda: _moments(h_EBH, runs_EB))
                h_EBH = (h_EBH - mean_EH.unsqueeze(1)) * (variance_EH.unsqueeze(1) + EPSILON).rsqrt()
            else:
                h_EBH = functional.layer_norm(h_EBH, h_EBH.shape[-1:])
            h_EBH = torch.addcmul(self.shift_EH.unsqueeze(1), h_EBH, self.scale_EH.unsqueeze(1))
        return functional.dropout(self.activation(h_EBH), self.dropout, self.training)

    def on_pairs(self, h_PD: Tensor, pairs: Pairs) -> Tensor:
        """h_PH: the same for each pair of a row and an expert, and for nothing else."""
        h_PH = pairs.linear(h_PD, self.weight_EDH, self.bias_EH)
        if self.scale_EH is not None and self.shift_EH is not None:
            if self.norm == "batch":
                mean_EH, variance_EH = self._statistics(lambda: pairs.moments(h_PH, len(self.mean_EH)))
                factor_EH = self.scale_EH * (variance_EH + EPSILON).rsqrt()
                offset_EH = self.shift_EH - mean_EH * factor_EH
                h_PH = torch.addcmul(offset_EH[pairs.expert_P], h_PH, factor_EH[pairs.expert_P])
            else:
                h_PH = pairs.layer_norm(h_PH, self.scale_EH, self.shift_EH)
        return functional.dropout(self.activation(h_PH), self.dropout, self.training)

    def _statistics(self, moments: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Mean and variance over the expert's own rows of the batch, which the running ones move towards.

        Outside training, and for an expert that fewer than two rows of the batch run, the running ones are used.
        """
        if not self.training:
            return self.mean_EH, self.variance_EH
        rows_E1, mean_EH, squares_EH = moments()
        enough_E1 = rows_E1 > 1
        mean_EH = torch.where(enough_E1, mean_EH, self.mean_EH)
        variance_EH = torch.where(enough_E1, squares_EH / rows_E1.clamp(min=1), self.variance_EH)
        with torch.no_grad():  # as nn.BatchNorm1d: a tenth of the new, of the unbiased variance
            unbiased_EH = torch.where(enough_E1, squares_EH / (rows_E1 - 1).clamp(min=1), self.variance_EH)
            self.mean_EH.lerp_(mean_EH, MOMENTUM)
            self.variance_EH.lerp_(unbiased_EH, MOMENTUM)
        return mean_EH, variance_EH

    def extra_repr(self) -> str:
        experts, before, after = self.weight_EDH.shape
        return f"experts={experts}, {before} -> {after}"


def _moments(h_EBH: Tensor, runs_EB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per expert over the rows that run it: how many (E, 1), the mean (E, H), the sum of squares about it (E, H)."""
    h_EBH = full_precision(h_EBH)  # counted in bfloat16, 257 rows are 256
    runs_EB1 = runs_EB.unsqueeze(-1).to(h_EBH.dtype)
    rows_E1 = runs_EB1.sum(dim=1)
    mean_EH = (h_EBH * runs_EB1).sum(dim=1) / rows_E1.clamp(min=1)
    return rows_E1, mean_EH, ((h_EBH - mean_EH.unsqueeze(1)).square() * runs_EB1).sum(dim=1)
