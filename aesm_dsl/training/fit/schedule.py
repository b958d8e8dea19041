"""The learning rate and the gate noise as functions of the share of training that is over.

They are not torch's schedulers, which count steps: a training may be given hours instead. A checkpoint need not keep
anything of them.
"""

from __future__ import annotations

import math

from aesm_dsl.plan.training import NoisePlan, TrainingPlan

FIRST, LAST = 1 / 25, 1 / 25 / 1e4
"""Where "one_cycle" begins and ends, as shares of the highest rate: the defaults of torch's OneCycleLR."""


def factor(training: TrainingPlan, done: float) -> float:
    """Returns what the learning rate is multiplied by when a share `done` of training is over.

    "one_cycle"  FIRST to 1 within `warmup`, then to LAST, both along half a cosine
    "cosine"     0 to 1 within `warmup` in a straight line, then to 0 along half a cosine
    "constant", "plateau"  0 to 1 within `warmup`, then 1
    """
    warmup = training.warmup
    rising = done < warmup
    part = done / warmup if rising else (done - warmup) / (1 - warmup) if warmup < 1 else 1.0
    if training.schedule == "one_cycle":
        return _between(FIRST, 1.0, part) if rising else _between(1.0, LAST, part)
    if rising:
        return part
    return _between(1.0, 0.0, part) if training.schedule == "cosine" else 1.0


def sigma(noise: NoisePlan, done: float) -> float:
    """Returns the standard deviation of the gate noise when a share `done` of training is over (method.md eq. 2)."""
    if noise.schedule == "constant":
        return noise.start
    return noise.start * max(0.0, 1.0 - done / noise.over)


def _between(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(part, 1.0)))
