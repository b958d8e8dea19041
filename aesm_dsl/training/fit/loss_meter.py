"""`LossMeter`: the losses of an epoch, reported every few steps. Axes: T tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aesm_dsl.training.run.history import Progress

LOOK_EVERY_STEPS = 20
"""Steps between two looks at the loss. A look waits for the device, so that not every step can have one."""


EXPLODED_NATS = 50.0
"""Training does not recover from a mean loss above this: the observed label had a probability of 1e-22 on average."""


class DivergedError(Exception):
    """The loss of a task is not finite, or huge.

    Attributes:
        step: the step, from 1.
        task: the task.
    """

    def __init__(self, step: int, task: str, loss: float) -> None:
        how = f"is {loss:,.0f} nats" if math.isfinite(loss) else "is not finite"
        super().__init__(f"the loss of task `{task}` {how} at step {step}")
        self.step = step
        self.task = task


class LossMeter:
    """Adds up the losses of an epoch on the device; looks at them every few steps, to report and to detect divergence.

    The sums do not depend on when it looks: a training that was stopped and resumed has the same.

    Args:
        names: of the tasks.
        watch: called at every look.
    """

    def __init__(self, names: list[str], watch: Callable[[Progress], None]) -> None:
        self.names, self.watch = names, watch
        self._pending: list[Tensor] = []
        self._total, self._seen = [0.0] * len(names), 0

    def add(self, losses_T: Tensor, step: int, steps: int, rows: int, seconds: float) -> None:
        """Adds the losses of a step; looks at them if there are LOOK_EVERY_STEPS, or it is the last step."""
        self._pending.append(losses_T)
        if len(self._pending) == LOOK_EVERY_STEPS or step == steps:
            self.look(step, steps, rows, seconds)

    def look(self, step: int, steps: int, rows: int, seconds: float) -> None:
        """Waits for the device, and reports the losses since the last look.

        Raises:
            DivergedError: one of them is not finite, or huge.
        """
        if not self._pending:
            return
        values = torch.stack(self._pending).double().cpu()
        bad = (~(values < EXPLODED_NATS)).nonzero()
        if len(bad):
            late, task = int(bad[0, 0]), int(bad[0, 1])
            raise DivergedError(step - len(self._pending) + 1 + late, self.names[task], float(values[late, task]))
        sums = [0.0] * len(self.names)
        # Summed step by step, so that the sums are the same bits wherever the looks fall.
        for step_values in values.tolist():
            sums = [before + value for before, value in zip(sums, step_values, strict=True)]
            self._total = [before + value for before, value in zip(self._total, step_values, strict=True)]
        means = {name: value / len(self._pending) for name, value in zip(self.names, sums, strict=True)}
        self._seen += len(self._pending)
        self._pending = []
        self.watch(Progress(step, steps, rows, seconds, means))

    def means(self) -> dict[str, float]:
        """Returns the mean loss of every task over the epoch so far."""
        return {name: value / max(self._seen, 1) for name, value in zip(self.names, self._total, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after a look, when nothing is pending."""
        return {"total": self._total, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._total, self._seen = state["total"], state["seen"]
