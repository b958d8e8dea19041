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
    """Where training stands, for whoever watches."""

    step: int
    steps: int
    rows: int
    """Rows seen since training began."""
    seconds: float
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
    """Per layer, on the validation rows, else on a sample of training rows; empty of a network without experts."""
    log_variances: dict[str, float] = field(default_factory=dict)
    """By task, the s of `weights = uncertainty` at the epoch's end: its loss counts exp(-s) times; empty if fixed."""
    valid_mean_gauc: float | None = None
    """None where the spec names no column of users."""

    def to_data(self) -> dict[str, Any]:
        """A dictionary for JSON, which `from_data` reads back."""
        return asdict(self)

    @staticmethod
    def from_data(values: Mapping[str, Any]) -> Epoch:
        """Reads what `to_data` gave, after JSON or before it. Raises ValueError for a field that is not of its type."""
        return read_json(Epoch, json.dumps(values))


@dataclass(slots=True)
class FitResult:
    """The history, and the step whose weights the network has now: the best one if training watched valid rows."""

    history: list[Epoch] = field(default_factory=list)
    steps: int = 0
    best_step: int = 0
    stopped_early: bool = False
