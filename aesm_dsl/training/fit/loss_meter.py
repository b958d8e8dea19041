"""`LossMeter`: the losses of an epoch, looked at now and then. Axes: T tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aesm_dsl.training.run.history import Progress

LOOK_EVERY_STEPS = 20
"""Steps between looks at the loss. Each look waits for the device, so it is not done every step."""


EXPLODED_NATS = 50.0
"""A mean loss above this is not one that training comes back from: what happened was given 1e-22 on average."""


class DivergedError(Exception):
    """The loss is no longer a number, or a huge one. `step` counts from 1, `task` is the task whose loss it was."""

    def __init__(self, step: int, task: str, loss: float) -> None:
        how = f"is {loss:,.0f} nats" if math.isfinite(loss) else "is not finite"
        super().__init__(f"the loss of task `{task}` {how} at step {step}")
        self.step = step
        self.task = task


class LossMeter:
    """Adds up the losses of an epoch on the device; looks at them now and then, for the watcher and for divergence.

    The sums do not depend on when it looks: a training that stopped and went on has the same.
    """

    def __init__(self, names: list[str], watch: Callable[[Progress], None]) -> None:
        self.names, self.watch = names, watch
        self._pending: list[Tensor] = []
        self._total, self._seen = [0.0] * len(names), 0

    def add(self, losses_T: Tensor, step: int, steps: int, rows: int, seconds: float) -> None:
        """Takes the losses of a step; looks at them once there are LOOK_EVERY_STEPS."""
        self._pending.append(losses_T)
        if len(self._pending) == LOOK_EVERY_STEPS or step == steps:
            self.look(step, steps, rows, seconds)

    def look(self, step: int, steps: int, rows: int, seconds: float) -> None:
        """Waits for the device, and tells what the losses since the last look were. Raises DivergedError."""
        if not self._pending:
            return
        values = torch.stack(self._pending).double().cpu()
        bad = (~(values < EXPLODED_NATS)).nonzero()
        if len(bad):
            late, task = int(bad[0, 0]), int(bad[0, 1])
            raise DivergedError(step - len(self._pending) + 1 + late, self.names[task], float(values[late, task]))
        sums = [0.0] * len(self.names)
        for one in values.tolist():
            sums = [before + value for before, value in zip(sums, one, strict=True)]
            self._total = [before + value for before, value in zip(self._total, one, strict=True)]
        means = {name: value / len(self._pending) for name, value in zip(self.names, sums, strict=True)}
        self._seen += len(self._pending)
        self._pending = []
        self.watch(Progress(step, steps, rows, seconds, means))

    def means(self) -> dict[str, float]:
        """Mean loss per task over the epoch so far."""
        return {name: value / max(self._seen, 1) for name, value in zip(self.names, self._total, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        """Where it stands after a look."""
        return {"total": self._total, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._total, self._seen = state["total"], state["seen"]
