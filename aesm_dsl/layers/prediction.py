"""`Prediction`: what a network predicts for one batch. Axes: B rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aesm_dsl.layers.selection import LossSums, Selection


@dataclass(frozen=True, slots=True)
class Prediction:
    """Logits and probabilities of every task, as tensors of shape (B,), and what every layer selected.

    Tasks are keys in the plan's order.
    """

    logit: dict[str, Tensor]
    """The task's own logit: that of its conditional probability if the task follows another."""
    log_probability: dict[str, Tensor]
    """log p over all rows: down the funnel the product of the conditional probabilities."""
    log_complement: dict[str, Tensor]
    """log(1 - p), without cancellation."""
    selection: dict[str, tuple[Selection, ...]]
    """Level (`TASKS` for the task level) -> the selection of each layer."""
    loss_sums: tuple[LossSums, ...]
    """What the auxiliary losses of each layer are computed from, levels top down. Empty if the network selects
    nothing."""

    @property
    def specific_loss(self) -> Tensor:
        """L_sp of eq. 8, the mean over all layers; 0 without layers."""
        return self.auxiliary()[0]

    @property
    def shared_loss(self) -> Tensor:
        """L_sh of eq. 8, the mean over all layers; 0 without layers."""
        return self.auxiliary()[1]

    @property
    def balance_loss(self) -> Tensor:
        """L_balance, the mean over all layers; 1 if every layer uses its experts equally."""
        return self.auxiliary()[2]

    def auxiliary(self, counts: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Returns L_sp, L_sh and L_balance.

        Args:
            counts: `LossSums.counts` of each layer, summed over all processes; the losses are then the parts of this
                process.
        """
        if not self.loss_sums:
            zero = next(iter(self.logit.values())).new_zeros(())
            return zero, zero, zero
        counts_of_layer = [None] * len(self.loss_sums) if counts is None else counts
        losses = [sums.losses(count) for sums, count in zip(self.loss_sums, counts_of_layer, strict=True)]
        specific, shared, balance = (torch.stack(values).mean() for values in zip(*losses, strict=True))
        return specific, shared, balance

    @property
    def probability(self) -> dict[str, Tensor]:
        """p over all rows, of every task."""
        return {name: log_B.exp() for name, log_B in self.log_probability.items()}
