"""`Prediction`: what a network says about one batch. Axes: B rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aesm_dsl.layers.selection import LossSums, Selection


@dataclass(frozen=True, slots=True)
class Prediction:
    """Per task, by name in the plan's order, tensors of shape (B,); per level, what its layers selected."""

    logit: dict[str, Tensor]
    """The task's own logit: of the conditional probability where the task follows another."""
    log_probability: dict[str, Tensor]
    """log p over all rows: down the funnel the product of the conditional probabilities."""
    log_complement: dict[str, Tensor]
    """log(1 - p), without cancellation."""
    selection: dict[str, tuple[Selection, ...]]
    """By level name, the task level under `TASKS`; one Selection per layer."""
    tallies: tuple[LossSums, ...]
    """Of every layer, levels top down: what the auxiliary losses are made of. None of a network without selection."""

    @property
    def specific_loss(self) -> Tensor:
        """L_sp of eq. 8, mean over all layers; 0 without any."""
        return self.auxiliary()[0]

    @property
    def shared_loss(self) -> Tensor:
        """L_sh of eq. 8, mean over all layers."""
        return self.auxiliary()[1]

    @property
    def balance_loss(self) -> Tensor:
        """L_balance, mean over all layers; 1 where every layer uses its experts alike."""
        return self.auxiliary()[2]

    def auxiliary(self, counts: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """L_sp, L_sh and L_balance; with the `counts` of all processes, by layer, this one's parts of them."""
        if not self.tallies:
            nothing = next(iter(self.logit.values())).new_zeros(())
            return nothing, nothing, nothing
        given = [None] * len(self.tallies) if counts is None else counts
        of_layer = [tally.losses(count) for tally, count in zip(self.tallies, given, strict=True)]
        specific, shared, balance = (torch.stack(values).mean() for values in zip(*of_layer, strict=True))
        return specific, shared, balance

    @property
    def probability(self) -> dict[str, Tensor]:
        """p over all rows, per task."""
        return {name: log_B.exp() for name, log_B in self.log_probability.items()}
