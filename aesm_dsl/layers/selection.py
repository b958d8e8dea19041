"""Gate logits -> the experts each row runs, and with what weight (method.md eq. 3-8).

Axes: B rows, N nodes, E experts, K chosen experts. B stands for the leading shape, which is (B,) on scenario
levels and (B, T) on the task level, where each row has a gate per task; every function here takes both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Selection:
    """What every row chose in one layer.

    Leading shape `...` is (B,) on scenario levels and (B, T) on the task level: a gate per row and task.
    """

    node: Tensor
    """int64 (...): the row's node, or the task."""
    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    weight: Tensor
    """(..., E): mixture weights a, exactly 0 outside the union of both sets."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared


@dataclass(frozen=True, slots=True)
class Choice:
    """Both sets of experts, before any weight is given, with the divergences they were chosen by."""

    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    specific_divergence: Tensor
    """(..., E): d_sp, in nats."""
    shared_divergence: Tensor
    """(..., E): d_sh, in nats."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared

    def losses(self) -> tuple[Tensor, Tensor]:
        """L_sp and L_sh: each divergence's mean over rows and their selected sets (eq. 8); 0 without rows."""
        return _mean(self.specific_divergence, self.specific), _mean(self.shared_divergence, self.shared)


def select(gates_BNE: Tensor, node_B: Tensor, specific: int, shared: int) -> Choice:
    """Experts each row runs: its node's `specific` most specific and the `shared` most shared ones (eq. 4-6).

    gates_BNE  gate logits, noise included if there is any
    node_B     each row's node, int64 in [0, N)
    returns    both sets as masks, and both divergences; ties go to the lower expert index

    With one node there is nothing to compare and both divergences are 0: the experts with the largest gates
    are taken, the first `specific` of them as specific, the next `shared` as shared.
    """
    logP_BNE = compare(gates_BNE)
    specific_BE, shared_BE = diverge(logP_BNE, node_B)
    if gates_BNE.shape[-2] == 1:
        order_BE = gates_BNE.squeeze(-2).argsort(dim=-1, descending=True, stable=True)
        first_BK, next_BK = order_BE[..., :specific], order_BE[..., specific : specific + shared]
    else:
        first_BK = specific_BE.argsort(dim=-1, stable=True)[..., :specific]
        next_BK = shared_BE.argsort(dim=-1, stable=True)[..., :shared]
    return Choice(_mask(first_BK, specific_BE), _mask(next_BK, shared_BE), specific_BE, shared_BE)


def compare(gates_BNE: Tensor) -> Tensor:
    """logP_BNE: per expert, the log-softmax of its gate logits over the nodes (eq. 3)."""
    return torch.log_softmax(gates_BNE, dim=-2)


def diverge(logP_BNE: Tensor, node_B: Tensor) -> tuple[Tensor, Tensor]:
    """d_sp_BE and d_sh_BE: how far each expert is from the row's node alone, and all alike (eq. 4, 5).

    Both are closed forms on log-softmax. Through probabilities they are infinite as soon as one underflows.
    """
    specific_BE = -of_node(logP_BNE, node_B)
    shared_BE = -math.log(logP_BNE.shape[-2]) - logP_BNE.mean(dim=-2)
    return specific_BE, shared_BE


def mixture(gates_BNE: Tensor, node_B: Tensor, chosen_BE: Tensor) -> Tensor:
    """a_BE: softmax of the gates of the row's node over the chosen experts, exactly 0 on the others (eq. 7).

    Masked with -inf, not by a large product: a product turns an unselected negative logit into the winner.
    """
    return of_node(gates_BNE, node_B).masked_fill(~chosen_BE, -math.inf).softmax(dim=-1)


def of_node(values_BNE: Tensor, node_B: Tensor) -> Tensor:
    """values_BE of each row's own node."""
    # gather, as take_along_dim nails the number of rows into an exported graph.
    index_B1E = node_B[..., None, None].expand(*node_B.shape, 1, values_BNE.shape[-1])
    return values_BNE.gather(-2, index_B1E).squeeze(-2)


def _mask(chosen_BK: Tensor, like_BE: Tensor) -> Tensor:
    return torch.zeros_like(like_BE, dtype=torch.bool).scatter(-1, chosen_BK, True)


def _mean(divergence_BE: Tensor, set_BE: Tensor) -> Tensor:
    total = torch.where(set_BE, divergence_BE, 0.0).sum()
    return total / set_BE.sum().clamp(min=1)
