"""Prediction + labels -> `Loss`: the tasks' losses, and the auxiliary losses of the layers. Axes: B rows, T tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup


@dataclass(frozen=True, slots=True)
class Loss:
    """Losses of one batch: scalars, in nats."""

    task: dict[str, Tensor]
    """Loss of every task, before its weight; exactly 0 if no row of the batch has a label."""
    weighted: dict[str, Tensor]
    """Loss of every task, as it counts in the total."""
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
        """The loss that training minimises."""
        return torch.stack([self.auxiliary, *self.weighted.values()]).sum()

    def times(self, factor_T: Tensor) -> Loss:
        """Returns the losses where each task's counts so many times as much."""
        pairs = zip(self.weighted.items(), factor_T.unbind(), strict=True)
        return replace(self, weighted={name: factor * value for (name, value), factor in pairs})


def loss(
    prediction: Prediction,
    batch: Batch,
    plan: Plan,
    log_variance_T: Tensor | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> Loss:
    """Returns the weighted losses of the tasks, and the auxiliary losses of the layers.

    A task that follows others is measured by the product of probabilities on all of its labelled rows (entire space: Ma
    et al., ESMM, SIGIR 2018), not only on the rows where the task before it happened.

    Args:
        prediction: of the batch.
        batch: rows with labels and weights.
        plan: with the weights of the losses.
        log_variance_T: the learnt s of each task; None if the tasks' weights are fixed.
        processes: processes that each have a part of the batch. Every loss is then this process's part of that of the
            whole batch (means are over all its rows), and the parts of all processes sum to it.
    """
    tasks, sizes = plan.tasks.tasks, [len(sums.counts) for sums in prediction.loss_sums]
    weight_B = batch.weight_B.to(prediction.log_probability[tasks[0].name].dtype)
    weight_T = (weight_B[:, None] * ~batch.label_BT.isnan()).sum(dim=0)
    totals = processes.sum(torch.cat([weight_T, *(sums.counts for sums in prediction.loss_sums)]))
    weight_T, *counts = torch.split(totals, [len(tasks), *sizes])
    of_task = zip(tasks, batch.label_BT.unbind(1), weight_T.unbind(), strict=True)
    task_losses = {
        task.name: cross_entropy(
            prediction.log_probability[task.name], prediction.log_complement[task.name], label_B, weight_B, weight
        )
        for task, label_B, weight in of_task
    }
    weighted = {task.name: task.weight * task_losses[task.name] for task in plan.tasks.tasks}
    if log_variance_T is not None:
        uncertain = zip(weighted.items(), log_variance_T.unbind(), weight_T.unbind(), strict=True)
        weighted = {
            name: by_uncertainty(value, s, weight > 0, processes.world_size) for (name, value), s, weight in uncertain
        }
    training = plan.training
    specific, shared, balance = prediction.auxiliary(counts)
    auxiliary = training.specific_loss * specific + training.shared_loss * shared
    if training.balance:  # else a gradient of zeros would be carried through every layer
        auxiliary = auxiliary + training.balance * balance
    return Loss(task_losses, weighted, auxiliary, specific, shared, balance)


def by_uncertainty(value: Tensor, log_variance: Tensor, has_labels: Tensor, parts: int = 1) -> Tensor:
    """Returns exp(-s) * L + s / 2: a task's loss, weighted by its homoscedastic uncertainty.

    After Kendall, Gal and Cipolla, CVPR 2018, with s = log sigma^2. For a fixed L the minimum is at exp(-s) = 1 / (2
    L): tasks come to count by the inverse of their loss, and s / 2 keeps a task from reducing its own weight to
    nothing.

    Args:
        value: L.
        log_variance: s.
        has_labels: whether the batch has labels of the task; if not, it says nothing about s, and the result is L,
            which is 0.
        parts: into how many parts the batch is divided; if L is the loss of one of them, so is the result.
    """
    return torch.where(has_labels, (-log_variance).exp() * value + log_variance / (2 * parts), value)


def cross_entropy(
    yes_B: Tensor, no_B: Tensor, label_B: Tensor, weight_B: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Returns the weighted mean of -(label * log p + (1 - label) * log(1 - p)) over the rows with a label, in nats.

    Args:
        yes_B: log p.
        no_B: log(1 - p).
        label_B: 0 or 1; NaN means missing, which is not a negative.
        weight_B: weights, from 0.
        weight: what the weighted sum is divided by; None for the weight of all rows with a label.

    Returns:
        A scalar; 0, with gradients of 0, if no row has both a label and a weight.
    """
    present_B = ~label_B.isnan()
    label_B = torch.where(present_B, label_B, 0.0).to(yes_B.dtype)
    weight_B = torch.where(present_B, weight_B, 0.0).to(yes_B.dtype)
    row_B = -(label_B * yes_B + (1.0 - label_B) * no_B)
    weight = weight_B.sum() if weight is None else weight
    return (weight_B * row_B).sum() / torch.where(weight > 0, weight, 1.0)
