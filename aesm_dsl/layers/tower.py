"""`Tower`: the head of one task, and the funnel that turns the logits of all tasks into probabilities.

Axes: B rows, D input width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.experts import ACTIVATIONS


class Tower(nn.Module):
    """logit_B of one task from h_BD: Linear -> activation -> dropout for each width, then a Linear."""

    def __init__(self, width: int, hidden: tuple[int, ...], activation: str, dropout: float) -> None:
        super().__init__()
        widths = (width, *hidden)
        self.linears = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.head = nn.Linear(widths[-1], 1)
        self.activation = ACTIVATIONS[activation]
        self.dropout = dropout

    def forward(self, h_BD: Tensor) -> Tensor:
        """Returns logit_B."""
        for linear in self.linears:
            h_BD = functional.dropout(self.activation(linear(h_BD)), self.dropout, self.training)
        logit_B: Tensor = self.head(h_BD).squeeze(-1)
        return logit_B


def funnel(logits: Sequence[Tensor], after: Sequence[int | None]) -> tuple[list[Tensor], list[Tensor]]:
    """Returns log p and log(1 - p) of every task over all rows (the entire space), from the conditional logits.

        log p_k       = log p_{k-1} + logsigmoid(a_k)
        log (1 - p_k) = log [ (1 - p_{k-1}) + p_{k-1} sigmoid(-a_k) ]

    The complement adds the two ways of not happening and never subtracts from 1, so nothing cancels.

    Args:
        logits: logit_B of each task, given that the task it follows has happened.
        after: for each task the index of the task it follows, or None; chains may have any length and order.

    Returns:
        log p_B and log(1 - p)_B of each task, finite and with finite gradients for all finite logits.

    Raises:
        ValueError: tasks follow each other in a circle.
    """
    both: dict[int, tuple[Tensor, Tensor]] = {}
    for task in _chain_order(after):
        yes_B, no_B = functional.logsigmoid(logits[task]), functional.logsigmoid(-logits[task])
        before = after[task]
        if before is not None:
            before_yes_B, before_no_B = both[before]
            no_B = torch.logaddexp(before_no_B, before_yes_B + no_B)
            yes_B = before_yes_B + yes_B
        both[task] = yes_B, no_B
    return [both[task][0] for task in range(len(after))], [both[task][1] for task in range(len(after))]


def _chain_order(after: Sequence[int | None]) -> list[int]:
    """Task indices, each after the one it follows."""
    order: list[int] = []
    while len(order) < len(after):
        ready = [k for k, before in enumerate(after) if k not in order and (before is None or before in order)]
        if not ready:
            waiting = [k for k in range(len(after)) if k not in order]
            raise ValueError(f"tasks {waiting} follow each other in a circle, or a task that does not exist")
        order += ready
    return order
