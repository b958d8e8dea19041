"""`GradientMeter`: how the gradient of a layer is spread over its experts. Axes: E experts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.layers.network import aes_layers


class GradientMeter:
    """Mean, over the steps it has seen, of each expert's share of its layer's squared gradient.

    An expert with a share near 0 no longer learns: hardly any row selects it.
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = aes_layers(network)
        self._sums: dict[tuple[str, int], Tensor] = {}
        self._steps = 0

    @torch.no_grad()
    def add(self) -> None:
        """Adds the gradients that the network's parameters have now. Does not wait for the device."""
        self._steps += 1
        for key, layer in self._layers.items():
            gradients = [parameter.grad for parameter in layer.experts.parameters() if parameter.grad is not None]
            if not gradients:
                continue
            square_E = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
            share_E = square_E / square_E.sum().clamp(min=torch.finfo(square_E.dtype).tiny)
            before = self._sums.get(key)
            self._sums[key] = share_E if before is None else before.add_(share_E)

    def state_dict(self) -> dict[str, Any]:
        """Returns the sums so far, for a checkpoint."""
        return {"sums": dict(self._sums), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._steps = state["sums"], state["steps"]

    def shares(self) -> dict[tuple[str, int], tuple[float, ...]]:
        """Returns for every level and layer one share per expert; they sum to 1 if the layer had any gradient."""
        return {key: tuple((sums_E / max(self._steps, 1)).tolist()) for key, sums_E in self._sums.items()}
