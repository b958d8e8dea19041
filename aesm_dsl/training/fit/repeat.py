"""`Repeat`: the forward pass of a step again, after the step."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import nn


class Repeat:
    """Repeats what a network has drawn since this was made, and leaves no trace of its own.

    In the context, dropout and the noise draw the same again. After it, all random states are as they were before it,
    and so are the buffers of the network, such as the running statistics of batch norm.

    Args:
        network: the network.
        noise: the generator of its noise.
    """

    def __init__(self, network: nn.Module, noise: torch.Generator) -> None:
        self.network, self.noise = network, noise
        self._start = self._states()

    def __enter__(self) -> None:
        self._end = self._states()
        self._buffers = [buffer.clone() for buffer in self.network.buffers()]
        self._set(self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set(self._end)
        for buffer, before in zip(self.network.buffers(), self._buffers, strict=True):
            buffer.copy_(before)

    def _states(self) -> list[torch.Tensor]:
        there = [torch.cuda.get_rng_state(self.noise.device)] if self.noise.device.type == "cuda" else []
        return [self.noise.get_state(), torch.get_rng_state(), *there]

    def _set(self, states: list[torch.Tensor]) -> None:
        noise, here, *there = states
        self.noise.set_state(noise)
        torch.set_rng_state(here)
        for state in there:
            torch.cuda.set_rng_state(state, self.noise.device)
