"""`TaskFit`: one model for one task, and how models are chosen. Axes: R rows, T tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.training.metrics.auc import auc
from aesm_dsl.training.metrics.scores import Floats
from aesm_dsl.training.outside.cells import OutsideRows

Settings = dict[str, float]
"""What was chosen for a model, by name."""


@dataclass(frozen=True, slots=True)
class TaskFit:
    """What a model of one task predicts for the rows that it is measured on."""

    log_odds_R: Floats
    settings: Settings
    size: int
    """Trees or weights; 0 for a constant."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows that count for a task: those with a label, and a weight above 0."""

    row_R: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Their numbers among all rows of the part."""
    label_R: Floats
    weight_R: Floats
    """Weights, divided by their mean: settings mean the same whatever the weights are."""

    @property
    def has_both(self) -> bool:
        """Whether there are rows of both classes."""
        return bool(0 < self.label_R.sum() < len(self.label_R))


def counted(rows: OutsideRows, task: int) -> Counted:
    """Returns the rows that count for a task, the same ones that a network learns it from and is measured on."""
    label_R = rows.label_RT[:, task]
    row_R = np.flatnonzero(~np.isnan(label_R) & (rows.weight_R > 0))
    weight_R = rows.weight_R[row_R]
    return Counted(row_R, label_R[row_R], weight_R / weight_R.mean() if len(row_R) else weight_R)


def constant(train: Counted, rows: int) -> TaskFit:
    """Returns what is known from training rows of one class, or from none: how frequent 1 is, for every row."""
    positives, total = float((train.weight_R * train.label_R).sum()), float(train.weight_R.sum())
    rate = (positives + 0.5) / (total + 1.0)
    return TaskFit(np.full(rows, np.log(rate / (1 - rate))), {}, 0)


def judged(log_odds_R: Floats, valid: Counted) -> float:
    """Returns how good a model is by the validation rows: their AUC, or minus their log loss if one class is missing.

    Both are never compared with each other: which of them it is depends on the rows alone.
    """
    area = auc(log_odds_R, valid.label_R, valid.weight_R)
    if area is not None:
        return area
    sign_R = np.where(valid.label_R == 1, -1.0, 1.0)
    return -float((valid.weight_R * np.logaddexp(0.0, sign_R * log_odds_R)).sum())
