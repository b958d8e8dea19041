"""The average of a network's weights over its steps."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from aesm_dsl.layers.build import AnyNetwork


class Average:
    """Exponential moving average of all weights: average = d * average + (1 - d) * weights, after every step.

    d = min(decay, (1 + n) / (10 + n)) after n steps: the first steps, far from where training ends, are soon forgotten.
    Every step reads all weights, those of sparse embedding tables too.
    """

    def __init__(self, network: AnyNetwork, decay: float) -> None:
        self.network, self.decay, self.steps = deepcopy(network), decay, 0

    @torch.no_grad()
    def add(self, network: AnyNetwork) -> None:
        """Takes in the weights after a step."""
        mean = get_ema_multi_avg_fn(min(self.decay, (1 + self.steps) / (10 + self.steps)))  # type: ignore[no-untyped-call]
        mean(list(self.network.parameters()), list(network.parameters()), self.steps)
        for own, now in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(now)
        self.steps += 1
