"""`Pool`: the vectors of a list -> one vector.

Axes: B rows, S slots of one list, W width of a vector, Q width of a query: of the units of W that a feature of the row
has too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.plan.pools import PoolPlan


class Pool(nn.Module):
    """Pools the vectors of a list into one: their mean, sum or maximum, or an attention-weighted sum.

    The vectors of steps with several values are these values' vectors, concatenated, as in the Deep Interest Network
    (below) and SIM (Pi et al., CIKM 2020).

    Attention computes the sum over s of a_s v_s with a = softmax(v_s . (A q) / sqrt(W) + b_s). This is scaled
    dot-product attention (Vaswani et al., NeurIPS 2017) with the candidate as the query, as in target attention (Zhou
    et al., "Deep Interest Network", KDD 2018). A starts as the identity (from a value of the row to the same one of a
    step), and b, which weights the age of a value, at 0.
    """

    def __init__(self, plan: PoolPlan, start_std: float) -> None:
        super().__init__()
        self.kind = plan.kind
        self.empty = nn.Parameter(torch.randn(plan.width) * start_std)
        if plan.kind == "attention":
            self.turn = nn.Parameter(torch.eye(plan.width)[list(plan.asked)])
            self.age = nn.Parameter(torch.zeros(plan.slots))

    def forward(self, vector_BSW: Tensor, real_BS: Tensor, query_BQ: Tensor | None) -> Tensor:
        """Pools one list for each row.

        Args:
            vector_BSW: the vectors of the slots; those of slots without a value are ignored.
            real_BS: bool; which slots hold a value.
            query_BQ: for attention, the vectors of the row's own values of the features whose tables the list uses.

        Returns:
            pooled_BW; an empty list has a learnt vector of its own.
        """
        some_B1 = real_BS.any(1, keepdim=True)
        if self.kind == "max":
            pooled_BW = vector_BSW.masked_fill(~real_BS.unsqueeze(2), -torch.inf).amax(1)
        else:
            weight_BS = self._weights(vector_BSW, real_BS, query_BQ)
            pooled_BW = torch.bmm(weight_BS.unsqueeze(1), vector_BSW).squeeze(1)
        return torch.where(some_B1, pooled_BW, self.empty.to(pooled_BW.dtype))

    def _weights(self, vector_BSW: Tensor, real_BS: Tensor, query_BQ: Tensor | None) -> Tensor:
        """The weight of each slot's vector; 0 without a value."""
        weight_BS = real_BS.to(vector_BSW.dtype)
        if self.kind == "mean":
            weight_BS = weight_BS / weight_BS.sum(1, keepdim=True).clamp(min=1)
        elif self.kind == "attention":
            assert query_BQ is not None
            turned_BW1 = (query_BQ @ self.turn.to(query_BQ.dtype)).unsqueeze(2)
            score_BS = torch.bmm(vector_BSW, turned_BW1).squeeze(2) * vector_BSW.shape[2] ** -0.5 + self.age
            # Not -inf: the softmax of an empty list would be NaN, and so would gradients, though its result is unused.
            score_BS = score_BS.masked_fill(~real_BS, torch.finfo(score_BS.dtype).min)
            weight_BS = score_BS.softmax(1).to(vector_BSW.dtype) * weight_BS
        return weight_BS
