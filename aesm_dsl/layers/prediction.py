"""`Prediction`: what a network says about one batch. Axes: B rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from aesm_dsl.layers.selection import Selection


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
    specific_loss: Tensor
    """L_sp of eq. 8, mean over all layers."""
    shared_loss: Tensor
    """L_sh of eq. 8, mean over all layers."""
    balance_loss: Tensor
    """L_balance, mean over all layers; 1 where every layer uses its experts alike."""

    @property
    def probability(self) -> dict[str, Tensor]:
        """p over all rows, per task."""
        return {name: log_B.exp() for name, log_B in self.log_probability.items()}
