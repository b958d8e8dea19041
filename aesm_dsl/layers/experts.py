"""`Experts`: the experts of one layer, all of them MLPs of one shape with stacked parameters.

Axes: B rows, G gates per row, E experts, P (row, expert) pairs, D input width, H width of one block, F output width.
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
"""Weight of a batch's statistics in the running ones of batch norm."""

EPSILON = 1e-5
"""Added to variances, as torch's norms do."""


class Experts(nn.Module):
    """y_BGF: for each gate of a row, the mixture of the experts' outputs (eq. 7)."""

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        self.plan = plan
        widths = (plan.input, *plan.hidden)
        self.blocks = nn.ModuleList(
            ExpertBlock(plan.experts, before, after, norm=plan.norm, activation=plan.activation, dropout=plan.dropout)
            for before, after in pairwise(widths)
        )

    def forward(self, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
        """Runs the experts in the way that costs least.

        Args:
            x_BD: one input for each row.
            weight_BGE: mixture weights of the row's gates; exactly 0 if the gate does not need the expert. G = 1 if a
                row has one gate; G = T if T tasks share the row's input, so that an expert runs once for a row and not
                once for each task.
        """
        execution = choose_execution(self.plan, x_BD, weight_BGE.shape[1])
        if execution == "dense":
            return run_dense(self.blocks, x_BD, weight_BGE)
        runs_BE = (weight_BGE != 0).any(dim=1)
        if execution == "loop":
            return run_segments(self.blocks, x_BD, weight_BGE, runs_BE)
        return run_sparse(self.blocks, x_BD, weight_BGE, GroupedPairs(runs_BE, self.plan.most(weight_BGE.shape[1])))


def run_dense(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
    """Returns y_BGF by running every expert on every row.

    Every other way of running the experts takes the same arguments and gives the same result.
    """
    h_EBD = x_BD.expand(weight_BGE.shape[-1], *x_BD.shape)
    runs_EB = (weight_BGE != 0).any(dim=1).T
    for block in blocks:
        h_EBD = block(h_EBD, runs_EB)
    return torch.einsum("bge,ebf->bgf", weight_BGE, h_EBD)


def run_sparse(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor, pairs: Pairs) -> Tensor:
    """Returns y_BGF by running each expert on the rows that have a weight for it."""
    h_PD = x_BD.index_select(0, pairs.row_P)
    for block in blocks:
        assert isinstance(block, ExpertBlock)
        h_PD = block.on_pairs(h_PD, pairs)
    return pairs.mix(h_PD, weight_BGE)


@no_compile
def run_segments(blocks: nn.ModuleList, x_BD: Tensor, weight_BGE: Tensor, runs_BE: Tensor) -> Tensor:
    """Returns y_BGF by running one expert after the other, each on the rows that select it.

    Not compiled: a graph cannot know how many rows these are.
    """
    return run_sparse(blocks, x_BD, weight_BGE, SegmentPairs(runs_BE))


class ExpertBlock(nn.Module):
    """h_EBH from h_EBD: Linear -> norm -> activation -> dropout, each expert with its own parameters."""

    # Shape suffixes, not mixed case.
    mean_EH: Tensor
    variance_EH: Tensor

    def __init__(self, experts: int, before: int, after: int, *, norm: str, activation: str, dropout: float) -> None:
        """Draws the parameters.

        Args:
            experts: the number of experts, E.
            before: the input width, D.
            after: the output width, H.
            norm: "layer", "batch" or "none".
            activation: a key of ACTIVATIONS.
            dropout: the probability that an output is dropped.
        """
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
        # As nn.Linear starts, by the fan-in of one expert. Drawn for the whole stack, so that no two experts are equal:
        # equal experts with equal weights get equal gradients and would stay equal.
        bound = before**-0.5
        nn.init.uniform_(self.weight_EDH, -bound, bound)
        nn.init.uniform_(self.bias_EH, -bound, bound)

    def forward(self, h_EBD: Tensor, runs_EB: Tensor) -> Tensor:
        """Runs every expert on every row.

        Args:
            h_EBD: the input of each expert.
            runs_EB: bool; the rows that need each expert. Batch norm takes its statistics from these alone, so that an
                expert learns the same whether or not it also runs on rows that do not need it.
        """
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
        """Returns h_PH: the same as `forward`, for the pairs of a row and an expert that are needed."""
        h_PH = pairs.linear(h_PD, self.weight_EDH, self.bias_EH)
        if self.scale_EH is not None and self.shift_EH is not None:
            if self.norm == "batch":
                mean_EH, variance_EH = self._statistics(lambda: pairs.moments(h_PH, len(self.mean_EH)))
                factor_EH = self.scale_EH * (variance_EH + EPSILON).rsqrt()
                offset_EH = self.shift_EH - mean_EH * factor_EH
                h_PH = torch.addcmul(pairs.of_expert(offset_EH), h_PH, pairs.of_expert(factor_EH))
            else:
                h_PH = pairs.layer_norm(h_PH, self.scale_EH, self.shift_EH)
        return functional.dropout(self.activation(h_PH), self.dropout, self.training)

    def _statistics(self, moments: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Mean and variance of each expert's own rows in the batch; moves the running ones towards them.

        Outside training, and for an expert with fewer than two rows in the batch, the running ones are returned.
        """
        if not self.training:
            return self.mean_EH, self.variance_EH
        rows_E1, mean_EH, squares_EH = moments()
        enough_E1 = rows_E1 > 1
        mean_EH = torch.where(enough_E1, mean_EH, self.mean_EH)
        variance_EH = torch.where(enough_E1, squares_EH / rows_E1.clamp(min=1), self.variance_EH)
        with torch.no_grad():
            # As nn.BatchNorm1d: the running variance takes the unbiased one.
            unbiased_EH = torch.where(enough_E1, squares_EH / (rows_E1 - 1).clamp(min=1), self.variance_EH)
            self.mean_EH.lerp_(mean_EH, MOMENTUM)
            self.variance_EH.lerp_(unbiased_EH, MOMENTUM)
        return mean_EH, variance_EH

    def extra_repr(self) -> str:
        experts, before, after = self.weight_EDH.shape
        return f"experts={experts}, {before} -> {after}"


def _moments(h_EBH: Tensor, runs_EB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each expert's rows the number (E, 1), the mean (E, H), and the sum of squared differences from it (E, H)."""
    h_EBH = full_precision(h_EBH)  # in bfloat16, a sum of 257 ones is 256
    runs_EB1 = runs_EB.unsqueeze(-1).to(h_EBH.dtype)
    rows_E1 = runs_EB1.sum(dim=1)
    mean_EH = (h_EBH * runs_EB1).sum(dim=1) / rows_E1.clamp(min=1)
    return rows_E1, mean_EH, ((h_EBH - mean_EH.unsqueeze(1)).square() * runs_EB1).sum(dim=1)
