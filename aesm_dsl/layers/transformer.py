"""`TransformerPool`: the vectors of a sequence -> one vector, by a transformer block.

Axes: B rows, S slots of the sequence, P places: the slots, behind the candidate if there is one; H heads, W width, Q
width of what a row has of the candidate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.plan.features import TRANSFORMER_HIDDEN
from aesm_dsl.plan.pools import PoolPlan


class TransformerPool(nn.Module):
    """The mean of what a transformer block makes of a sequence (Vaswani et al., NeurIPS 2017; of what a user did: Chen
    et al., "Behavior Sequence Transformer", DLP-KDD 2019).

        h = x + place;  h = h + attention(norm(h));  h = h + W' relu(W norm(h) + b) + b';  pooled = mean of h

    x are the vectors of a step's values, concatenated; the time from the step to the row can be one of them, as there.
    Places count from the newest value and have learnt vectors. If the sequence shares a feature's table, the row's own
    value of it stands before the sequence, as the candidate; values that no feature of the row has are a learnt vector
    in it. The last Linears of both parts start at 0, so that the
    block starts as a mean. The norms stand before the parts, so that vectors stay as small as those of other features.
    """

    order_W: Tensor
    """For each unit of the candidate, its place among the row's own values and, behind them, the learnt vector."""

    def __init__(self, plan: PoolPlan, start_std: float) -> None:
        super().__init__()
        width, asked = plan.width, sum(plan.asked)
        self.heads = 2 if width % 2 == 0 and width >= 8 else 1
        self.empty = nn.Parameter(torch.randn(width) * start_std)
        self.place_PW = nn.Parameter(torch.randn(plan.places, width) * start_std)
        self.norm, self.mix, self.mixed = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.second_norm, self.up = nn.LayerNorm(width), nn.Linear(width, TRANSFORMER_HIDDEN * width)
        self.down = nn.Linear(TRANSFORMER_HIDDEN * width, width)
        for last in (self.mixed, self.down):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.candidate = nn.Parameter(torch.randn(width - asked) * start_std) if 0 < asked < width else None
        own, learnt = iter(range(asked)), iter(range(asked, width))
        order = torch.tensor([next(own if has else learnt) for has in plan.asked], dtype=torch.int64)
        self.register_buffer("order_W", order, persistent=False)

    def forward(self, vector_BSW: Tensor, real_BS: Tensor, query_BQ: Tensor | None) -> Tensor:
        """Returns pooled_BW; the arguments are those of `Pool`. An empty sequence has a learnt vector of its own."""
        some_B1 = real_BS.any(1, keepdim=True)
        if query_BQ is not None:
            vector_BSW = torch.cat([self._candidate(query_BQ).unsqueeze(1), vector_BSW], dim=1)
            real_BS = torch.cat([torch.ones_like(some_B1), real_BS], dim=1)
        h_BPW = vector_BSW + self.place_PW
        h_BPW = h_BPW + self._attention(self.norm(h_BPW), real_BS)
        h_BPW = h_BPW + self.down(self.up(self.second_norm(h_BPW)).relu())
        real_BP1 = real_BS.unsqueeze(2).to(h_BPW.dtype)
        pooled_BW = (h_BPW * real_BP1).sum(1) / real_BP1.sum(1).clamp(min=1)
        return torch.where(some_B1, pooled_BW, self.empty.to(pooled_BW.dtype))

    def _candidate(self, query_BQ: Tensor) -> Tensor:
        if self.candidate is None:
            return query_BQ
        learnt_BW = self.candidate.to(query_BQ.dtype).expand(query_BQ.shape[0], -1)
        return torch.cat([query_BQ, learnt_BW], dim=1).index_select(1, self.order_W)

    def _attention(self, h_BPW: Tensor, real_BP: Tensor) -> Tensor:
        """Multi-head self-attention; places without a value are not looked at."""
        rows, places, width = h_BPW.shape[0], self.place_PW.shape[0], self.place_PW.shape[1]
        parts = self.mix(h_BPW).reshape(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query_BHPW, key_BHPW, value_BHPW = parts.unbind(0)
        score_BHPP = torch.matmul(query_BHPW, key_BHPW.transpose(2, 3)) * (width // self.heads) ** -0.5
        # Not -inf: the softmax of an empty sequence would be NaN, and so would gradients, though its result is unused.
        hidden_B11P = ~real_BP.unsqueeze(1).unsqueeze(1)
        weight_BHPP = functional.softmax(score_BHPP.masked_fill(hidden_B11P, torch.finfo(score_BHPP.dtype).min), dim=3)
        mixed_BPW = torch.matmul(weight_BHPP, value_BHPW).transpose(1, 2).reshape(rows, places, width)
        result_BPW: Tensor = self.mixed(mixed_BPW)
        return result_BPW
