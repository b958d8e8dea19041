"""What the learning rate and the noise are when a share of training is over.

Functions of the share, not torch's schedulers, which count steps: a training may last for some hours instead. Nothing
of it has to be kept in a checkpoint.
"""

from __future__ import annotations

import math

from aesm_dsl.plan.training import NoisePlan, TrainingPlan

FIRST, LAST = 1 / 25, 1 / 25 / 1e4
"""Of the highest rate, where "one_cycle" begins and ends, as torch's OneCycleLR has it."""


def factor(training: TrainingPlan, done: float) -> float:
    """What the learning rate is multiplied with when a share `done` of training is over.

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
    """Standard deviation of the gate noise when a share `done` of training is over (eq. 2)."""
    if noise.schedule == "constant":
        return noise.start
    return noise.start * max(0.0, 1.0 - done / noise.over)


def _between(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(part, 1.0)))
