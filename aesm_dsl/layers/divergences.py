"""How far each expert is from one node alone, and from all nodes alike (method.md eq. 3-5).

Axes: B rows, N nodes, E experts. B stands for the leading shape: (B,), or (B, T) on the task level.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SERIES = 1 / 16
"""Up to this distance of all log-probabilities from their mean, d_sh is computed by a series."""


def compare_nodes(gates_BNE: Tensor, among_BN: Tensor | None = None) -> Tensor:
    """Returns logP_BNE: of each expert, the log-softmax of its logits over the compared nodes (eq. 3), else -inf."""
    if among_BN is not None:
        gates_BNE = gates_BNE.masked_fill(~among_BN.unsqueeze(-1), -math.inf)
    return torch.log_softmax(gates_BNE, dim=-2)


def divergences(logP_BNE: Tensor, node_B: Tensor, among_BN: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns d_sp_BE and d_sh_BE: how far each expert is from the row's node alone, and from all alike (eq. 4, 5).

    Both are closed forms of the log-softmax. Through probabilities they would be infinite as soon as one underflows.
    """
    specific_BE = -gather_node(logP_BNE, node_B)
    if among_BN is None:
        nodes, mean_BE = logP_BNE.shape[-2], logP_BNE.mean(dim=-2)
        return specific_BE, _shared_divergence(logP_BNE - mean_BE.unsqueeze(-2), mean_BE, nodes, math.log(nodes))
    others_BN1, nodes_B1 = ~among_BN.unsqueeze(-1), among_BN.sum(dim=-1, keepdim=True)
    mean_BE = logP_BNE.masked_fill(others_BN1, 0.0).sum(dim=-2) / nodes_B1
    off_BNE = (logP_BNE - mean_BE.unsqueeze(-2)).masked_fill(others_BN1, 0.0)
    return specific_BE, _shared_divergence(off_BNE, mean_BE, nodes_B1, nodes_B1.to(mean_BE.dtype).log())


def _shared_divergence(
    off_BNE: Tensor, mean_BE: Tensor, nodes_B1: int | Tensor, log_nodes_B1: float | Tensor
) -> Tensor:
    """Returns d_sh_BE = -log N - mean of logP; of nearly equal gates by a series, in which nothing cancels.

    With g = logP - its mean, d_sh = log(mean of e^g) = log(1 + x), x = mean of (e^g - 1 - g), as the mean of g is 0.

    Args:
        off_BNE: g, 0 for nodes that are not compared.
        mean_BE: the mean of logP over the compared nodes.
        nodes_B1: how many are compared.
        log_nodes_B1: the logarithm of that number.
    """
    # Sums and products alone: ONNX has neither expm1 nor log1p, and its exp and log would cancel again.
    near_BNE = off_BNE.clamp(-SERIES, SERIES)
    third_BNE = near_BNE * (near_BNE * (1 / 120) + 1 / 24) + 1 / 6
    x_BE = (near_BNE * near_BNE * (near_BNE * third_BNE + 0.5)).sum(dim=-2) / nodes_B1
    series_BE = x_BE * (1 - x_BE * (0.5 - x_BE * (1 / 3)))
    return torch.where(off_BNE.abs().amax(dim=-2) <= SERIES, series_BE, -log_nodes_B1 - mean_BE)


def gather_node(values_BNE: Tensor, node_B: Tensor) -> Tensor:
    """Returns values_BE of each row's own node."""
    # Not take_along_dim: it fixes the number of rows in an exported graph.
    index_B1E = node_B[..., None, None].expand(*node_B.shape, 1, values_BNE.shape[-1])
    return values_BNE.gather(-2, index_B1E).squeeze(-2)
