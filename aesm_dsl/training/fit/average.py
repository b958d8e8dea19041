"""The exponential moving average (EMA) of a network's weights over its steps."""

from __future__ import annotations

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from aesm_dsl.layers.build import AnyNetwork

Tensors = tuple[Tensor, ...] | list[Tensor]


class WeightAverage(AveragedModel):
    """Exponential moving average of all weights: average = d * average + (1 - d) * weights, after every step.

    d = min(decay, (1 + n) / (10 + n)) after n steps: the first steps, far from where training ends, are soon forgotten.
    torch's own rules have a fixed d. Buffers are copied, not averaged. Every step reads all weights, those of sparse
    embedding tables too.

    Args:
        network: the network at its start, of which `module` is a copy.
        decay: the largest d, in (0, 1).
    """

    module: AnyNetwork

    def __init__(self, network: AnyNetwork, decay: float) -> None:
        def update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
            # `steps` is on the CPU; reading `count` would make every step wait for the device.
            ramp = (1 + self.steps) / (10 + self.steps)
            get_ema_multi_avg_fn(min(decay, ramp))(averages, weights, count)  # type: ignore[no-untyped-call]

        super().__init__(network, multi_avg_fn=update)
        # AveragedModel copies the first weights that it is given; here the start counts as one step already.
        self.steps = 0

    @property
    def steps(self) -> int:
        """Steps that are in the average, n."""
        return int(self.n_averaged) - 1

    @steps.setter
    def steps(self, steps: int) -> None:
        self.n_averaged.fill_(steps + 1)
