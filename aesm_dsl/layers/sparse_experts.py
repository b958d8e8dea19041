"""Runs experts on the rows that selected them, and on no others, forward and backward.

Axes: B rows, G gates per row, E experts, K most experts that a row runs, P (row, expert) pairs sorted by expert,
D input width, H and F output width. In `mix`: S all (row, gate) or (row, expert), Q (row, gate, expert) with a weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from aesm_dsl.layers.precision import full_precision


class Pairs(ABC):
    """The pairs of a row and an expert that runs on it, and how parameters of experts are applied to them.

    Attributes:
        row_P: the row of each pair.
        expert_P: the expert of each pair.
    """

    def __init__(self, row_P: Tensor, expert_P: Tensor) -> None:
        self.row_P = row_P
        self.expert_P = expert_P

    @abstractmethod
    def linear(self, h_PD: Tensor, weight_EDH: Tensor, bias_EH: Tensor) -> Tensor:
        """Returns h_PH, the Linear of each pair's expert; under autocast in autocast's type."""

    @abstractmethod
    def layer_norm(self, h_PH: Tensor, scale_EH: Tensor, shift_EH: Tensor) -> Tensor:
        """Returns h_PH normalised over H, scaled and shifted by each pair's expert."""

    def of_expert(self, values_EH: Tensor) -> Tensor:
        """Returns values_PH: each pair has those of its expert."""
        # Not values_EH[expert_P]: on a CPU several threads add up its gradient in whatever order they come.
        return functional.embedding(self.expert_P, values_EH)

    def moments(self, h_PH: Tensor, experts: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns statistics of each expert's pairs.

        Returns:
            Their number (E, 1), mean (E, H), and sum of squared differences from the mean (E, H).
        """
        h_PH = full_precision(h_PH)  # in bfloat16, a sum of 257 ones is 256
        real_P1 = self.real(torch.ones_like(h_PH[:, :1]))
        rows_E1 = h_PH.new_zeros(experts, 1).index_add(0, self.expert_P, real_P1)
        total_EH = h_PH.new_zeros(experts, h_PH.shape[1]).index_add(0, self.expert_P, h_PH * real_P1)
        mean_EH = total_EH / rows_E1.clamp(min=1)
        squares_PH = (h_PH - self.of_expert(mean_EH)).square() * real_P1
        return rows_E1, mean_EH, torch.zeros_like(mean_EH).index_add(0, self.expert_P, squares_PH)

    def mix(self, h_PF: Tensor, weight_BGE: Tensor) -> Tensor:
        """Returns y_BGF: for each gate of a row, the weighted sum of the outputs of its pairs (eq. 7)."""
        rows, gates, experts = weight_BGE.shape
        flat_RG = weight_BGE.transpose(1, 2).reshape(rows * experts, gates)
        weight_PG1 = flat_RG.index_select(0, self.row_P * experts + self.expert_P).unsqueeze(2)
        weighted_PGF = self.real(h_PF).unsqueeze(1) * self.real(weight_PG1)
        y_BGF = weighted_PGF.new_zeros((rows, *weighted_PGF.shape[1:]))
        return y_BGF.index_add(0, self.row_P, weighted_PGF)

    def real(self, values_P: Tensor) -> Tensor:
        """Returns the values with 0 in the pairs that are only padding."""
        return values_P


class SegmentPairs(Pairs):
    """All pairs and no padding: one matrix product for each expert that has pairs.

    On a GPU this waits for the device once or twice, for the number of pairs.
    """

    def __init__(self, runs_BE: Tensor) -> None:
        expert_P, row_P = runs_BE.T.contiguous().nonzero(as_tuple=True)
        super().__init__(row_P, expert_P)
        sizes = runs_BE.sum(dim=0).tolist()
        # At least one expert, even without pairs: data-parallel training waits for a gradient of every parameter.
        self.experts = [e for e, size in enumerate(sizes) if size] or [0]
        self.sizes = [sizes[e] for e in self.experts]

    def linear(self, h_PD: Tensor, weight_EDH: Tensor, bias_EH: Tensor) -> Tensor:
        h_PD, weight_EDH, bias_EH = _autocast(h_PD, weight_EDH, bias_EH)
        out_PH: Tensor = _SegmentLinear.apply(h_PD, weight_EDH, bias_EH, self.experts, self.sizes)  # type: ignore[no-untyped-call]
        return out_PH

    def layer_norm(self, h_PH: Tensor, scale_EH: Tensor, shift_EH: Tensor) -> Tensor:
        scales, shifts, parts = scale_EH.unbind(), shift_EH.unbind(), torch.split(h_PH, self.sizes)
        if not torch.is_grad_enabled() and not torch.is_autocast_enabled(h_PH.device.type):
            # In place, which saves a second tensor of this size: nobody else needs h_PH.
            for e, h in zip(self.experts, parts, strict=True):
                h.copy_(functional.layer_norm(h, h.shape[1:], scales[e], shifts[e]))
            return h_PH
        # Faster than one norm with parameters gathered for every pair, which are read and summed P times.
        return torch.cat(
            [
                functional.layer_norm(h, h.shape[1:], scales[e], shifts[e])
                for e, h in zip(self.experts, parts, strict=True)
            ]
        )

    def mix(self, h_PF: Tensor, weight_BGE: Tensor) -> Tensor:
        rows, gates, experts = weight_BGE.shape
        if gates == 1:
            return super().mix(h_PF, weight_BGE)
        # Most gates of a row have no weight for most of its pairs, so only the pairs with a weight are summed.
        place_S = self.row_P.new_zeros(rows * experts)
        place_S[self.row_P * experts + self.expert_P] = torch.arange(len(self.row_P), device=h_PF.device)
        used_BGE = weight_BGE != 0
        index_Q = used_BGE.flatten().nonzero().squeeze(1)
        counts_S = used_BGE.sum(dim=-1).flatten()
        mixed_SF = functional.embedding_bag(
            place_S[index_Q // (gates * experts) * experts + index_Q % experts],
            h_PF,
            counts_S.cumsum(0) - counts_S,
            mode="sum",
            per_sample_weights=weight_BGE.flatten().index_select(0, index_Q).to(h_PF.dtype),
        )
        return mixed_SF.reshape(rows, gates, h_PF.shape[1])


class GroupedPairs(Pairs):
    """B * K pairs, the last ones padding: all experts in one grouped product.

    The pairs are sorted and counted on the device, and the host never waits for it.
    """

    def __init__(self, runs_BE: Tensor, most: int) -> None:
        experts = runs_BE.shape[1]
        chosen_BK, expert_BK = runs_BE.to(torch.uint8).topk(most, dim=1)
        expert_P = torch.where(chosen_BK > 0, expert_BK, experts).flatten()
        order_P = expert_P.argsort(stable=True)
        expert_P = expert_P[order_P]
        super().__init__(order_P // most, expert_P.clamp(max=experts - 1))
        self.real_P = expert_P < experts
        self.ends_E = runs_BE.sum(dim=0).cumsum(0).to(torch.int32)

    def linear(self, h_PD: Tensor, weight_EDH: Tensor, bias_EH: Tensor) -> Tensor:
        h_PD, weight_EDH = _autocast(h_PD, weight_EDH)
        # grouped_mm leaves rows after the last group uninitialised, forward and backward: `real` sets both to 0.
        out_PH = self.real(functional.grouped_mm(self.real(h_PD), weight_EDH, offs=self.ends_E))
        # The rows are converted, not the biases: in bfloat16, the gradient of a bias would be a sum that stops growing.
        return out_PH + self.of_expert(bias_EH).to(out_PH.dtype)

    def layer_norm(self, h_PH: Tensor, scale_EH: Tensor, shift_EH: Tensor) -> Tensor:
        h_PH = functional.layer_norm(h_PH, h_PH.shape[1:])
        return torch.addcmul(self.of_expert(shift_EH), h_PH, self.of_expert(scale_EH))

    def real(self, values_P: Tensor) -> Tensor:
        return values_P.masked_fill(~self.real_P.reshape(-1, *[1] * (values_P.dim() - 1)), 0.0)


class _SegmentLinear(torch.autograd.Function):
    """The Linears of all experts as one node of the autograd graph.

    With many experts, a node for each would cost more than its product.
    """

    @staticmethod
    def forward(
        ctx: Any, h_PD: Tensor, weight_EDH: Tensor, bias_EH: Tensor, experts: list[int], sizes: list[int]
    ) -> Tensor:
        ctx.save_for_backward(h_PD, weight_EDH)
        ctx.experts, ctx.sizes = experts, sizes
        out_PH = h_PD.new_empty(h_PD.shape[0], weight_EDH.shape[2])
        weights, biases = weight_EDH.unbind(), bias_EH.unbind()
        for e, h, out in zip(experts, torch.split(h_PD, sizes), torch.split(out_PH, sizes), strict=True):
            torch.addmm(biases[e], h, weights[e], out=out)
        return out_PH

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        h_PD, weight_EDH = ctx.saved_tensors
        grad_PH, weights = grads[0].contiguous(), weight_EDH.unbind()
        for_h, for_weight, for_bias = ctx.needs_input_grad[:3]
        grad_h = torch.empty_like(h_PD) if for_h else None
        grad_weight = torch.zeros_like(weight_EDH) if for_weight else None
        grad_bias = grad_PH.new_zeros(weight_EDH.shape[0], weight_EDH.shape[2]) if for_bias else None
        start = 0
        for e, size in zip(ctx.experts, ctx.sizes, strict=True):
            segment = slice(start, start := start + size)
            if grad_h is not None:
                torch.mm(grad_PH[segment], weights[e].T, out=grad_h[segment])
            if grad_weight is not None:
                torch.mm(h_PD[segment].T, grad_PH[segment], out=grad_weight[e])
            if grad_bias is not None:
                torch.sum(grad_PH[segment], dim=0, out=grad_bias[e])
        return grad_h, grad_weight, grad_bias, None, None


def _autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in autocast's type if it is on: autocast does not reach into autograd functions of our own."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)
