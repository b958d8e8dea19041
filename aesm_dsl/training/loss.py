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

    task: dict[str, Tensor]
    """By task name, before the task's weight; exactly 0 where no row of the batch has a label."""
    weighted: dict[str, Tensor]
    """By task name, as it counts in the total."""
    auxiliary: Tensor
    """What is minimised beside the tasks: lambda_sp * L_sp + lambda_sh * L_sh + balance * L_balance."""
    specific: Tensor
    """Mean over layers of L_sp, before lambda_sp."""
    shared: Tensor
    """Mean over layers of L_sh, before lambda_sh."""
    balance: Tensor
    """Mean over layers of L_balance, before its weight."""

    @property
    def total(self) -> Tensor:
        """What training minimises."""
        return torch.stack([self.auxiliary, *self.weighted.values()]).sum()


def loss(prediction: Prediction, batch: Batch, plan: Plan, log_variance_T: Tensor | None = None) -> Loss:
    """Weighted task losses, and the layers' auxiliary losses.

    log_variance_T  learnt s of each task; None: only the tasks' own weights count
    A task that follows others is judged by the product of probabilities on all its labelled rows (entire
    space), not only on those where the task before it happened.
    """
    label_TB = batch.label_BT.unbind(1)
    task_losses: dict[str, Tensor] = {}
    for task, label_B in zip(plan.tasks.tasks, label_TB, strict=True):
        yes_B, no_B = prediction.log_probability[task.name], prediction.log_complement[task.name]
        task_losses[task.name] = cross_entropy(yes_B, no_B, label_B, batch.weight_B)
    weighted = {task.name: task.weight * task_losses[task.name] for task in plan.tasks.tasks}
    if log_variance_T is not None:
        uncertain = zip(weighted.items(), log_variance_T.unbind(), strict=True)
        weighted = {name: by_uncertainty(value, log_variance) for (name, value), log_variance in uncertain}
    training = plan.training
    auxiliary = training.specific_loss * prediction.specific_loss + training.shared_loss * prediction.shared_loss
    if training.balance:  # else a gradient of zeros would be carried through every layer
        auxiliary = auxiliary + training.balance * prediction.balance_loss
    return Loss(
        task_losses,
        weighted,
        auxiliary,
        prediction.specific_loss,
        prediction.shared_loss,
        prediction.balance_loss,
    )


def by_uncertainty(value: Tensor, log_variance: Tensor) -> Tensor:
    """exp(-s) * L + s / 2: a task's loss by its homoscedastic uncertainty (Kendall, Gal, Cipolla, CVPR 2018).

    s = log sigma^2. For a fixed L the least is at exp(-s) = 1 / (2 L): tasks come to count by the inverse of their
    loss, and s / 2 keeps a task from talking itself out of it. A batch without labels (L exactly 0) says nothing about
    s, and counts 0.
    """
    return torch.where(value == 0, value, (-log_variance).exp() * value + log_variance / 2)


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
