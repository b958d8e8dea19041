"""`Epoch`, one pass over the training rows, and `FitResult`, all that a training tells of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.sharing.health import Health


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a training, every few steps."""

    step: int
    steps: int
    """Expected number of steps."""
    rows: int
    """Rows that were trained on since training began."""
    seconds: float
    """Seconds since training began."""
    losses: dict[str, float]
    """Mean loss per task, in nats, since the last look."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training rows (the last may be part of one)."""

    epoch: int
    step: int
    seconds: float
    train_losses: dict[str, float]
    valid_mean_auc: float | None
    valid_losses: dict[str, float | None]
    experts: tuple[Health, ...] = ()
    """Use of experts per layer, on validation rows, else on a sample of training rows; empty without experts."""
    log_variances: dict[str, float] = field(default_factory=dict)
    """For every task the s of `weights = uncertainty` at the epoch's end: its loss counts exp(-s) times. Empty if the
    weights are fixed."""
    valid_mean_gauc: float | None = None
    """None if the spec names no column of users."""
    valid_mean_ndcg: float | None = None
    """None if the spec names no column of queries."""
    loss_factors: dict[str, float] = field(default_factory=dict)
    """For every task what its loss counted beside its weight, in the epoch's last step, with `weights = gradnorm`,
    `dwa` or `famo`; empty without."""

    def to_data(self) -> dict[str, Any]:
        """Returns a dictionary for JSON, which `from_data` reads back."""
        return asdict(self)

    @staticmethod
    def from_data(values: Mapping[str, Any]) -> Epoch:
        """Reads what `to_data` gave, after JSON or before it. Raises ValueError for a field that is not of its type."""
        return read_json(Epoch, json.dumps(values))


@dataclass(slots=True)
class FitResult:
    """What a training did."""

    history: list[Epoch] = field(default_factory=list)
    steps: int = 0
    """Steps that were taken."""
    best_step: int = 0
    """Step whose weights the network has: that of the best epoch if training watched validation rows, else the last."""
    stopped_early: bool = False
