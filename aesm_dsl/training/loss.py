"""Prediction + labels -> `Loss`. Axes: B rows, T tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan import Plan


@dataclass(frozen=True, slots=True)
class Loss:
    """Scalars, in nats."""

    total: Tensor
    """What training minimises."""
    task: dict[str, Tensor]
    """By task name, before the task's weight; exactly 0 where no row of the batch has a label."""
    specific: Tensor
    """Mean over layers of L_sp, before lambda_sp."""
    shared: Tensor
    """Mean over layers of L_sh, before lambda_sh."""


def loss(prediction: Prediction, batch: Batch, plan: Plan) -> Loss:
    """Sum of weighted task losses + lambda_sp * L_sp + lambda_sh * L_sh.

    A task that follows others is judged by the product of probabilities on all its labelled rows (entire
    space), not only on those where the task before it happened.
    """
    label_TB = batch.label_BT.unbind(1)
    task_losses: dict[str, Tensor] = {}
    total = plan.training.specific_loss * prediction.specific_loss
    total = total + plan.training.shared_loss * prediction.shared_loss
    for task, label_B in zip(plan.tasks.tasks, label_TB, strict=True):
        yes_B, no_B = prediction.log_probability[task.name], prediction.log_complement[task.name]
        task_losses[task.name] = cross_entropy(yes_B, no_B, label_B, batch.weight_B)
        total = total + task.weight * task_losses[task.name]
    return Loss(total, task_losses, prediction.specific_loss, prediction.shared_loss)


def cross_entropy(yes_B: Tensor, no_B: Tensor, label_B: Tensor, weight_B: Tensor) -> Tensor:
    """Weighted mean of -(label * log p + (1 - label) * log(1 - p)) over the rows with a label, in nats.

    yes_B, no_B  log p and log(1 - p)
    label_B      NaN means missing, which is not a negative
    returns      a scalar; 0 with gradients of 0 where no row has both a label and a weight
    """
    present_B = ~label_B.isnan()
    label_B = torch.where(present_B, label_B, 0.0).to(yes_B.dtype)
    weight_B = torch.where(present_B, weight_B, 0.0).to(yes_B.dtype)
    row_B = -(label_B * yes_B + (1.0 - label_B) * no_B)
    weight = weight_B.sum()
    return (weight_B * row_B).sum() / torch.where(weight > 0, weight, 1.0)
