"""Factors of the tasks' losses that training finds: `weights = gradnorm`, `dwa` or `famo`. Axes: T tasks.

A task's loss counts its own weight times its factor; the factors of all tasks sum to the number of tasks. They are
computed from the losses before any weight, over the rows of all processes, so that every process has the same. A task
without a label in the batch, whose loss is exactly 0, takes no part.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from aesm_dsl.plan.training import TrainingPlan

SMALLEST_FACTOR = 1e-3
"""A factor of GradNorm does not fall below this: with a negative one, the loss of a task would be made larger."""


class TaskFactors(Protocol):
    """One method."""

    factor_T: Tensor
    """The factors of the last step."""

    def of_batch(self, loss_T: Tensor) -> Tensor:
        """Returns what the losses of a batch are multiplied by, and keeps it as `factor_T`."""
        ...

    def learn(self, loss_T: Tensor, norm_T: Tensor | None, later_T: Tensor | None) -> None:
        """Learns from a step that was taken.

        Args:
            loss_T: the losses of its batch.
            norm_T: lengths of the tasks' gradients, with their factors, over what the tasks share; for GradNorm.
            later_T: the losses of the same batch after the step; for FAMO.
        """
        ...

    def end_epoch(self) -> None:
        """Ends a pass over the training rows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that later factors depend on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        ...


def task_factors(training: TrainingPlan, like_T: Tensor) -> TaskFactors | None:
    """Returns the method of the plan's `weights`, with factors of 1 in the place of `like_T`; None if it has none."""
    if training.weights == "gradnorm":
        return GradNormFactors(like_T, training.weights_alpha, training.weights_rate)
    if training.weights == "dwa":
        return DwaFactors(like_T, training.weights_temperature)
    return FamoFactors(like_T, training.weights_rate, training.weights_decay) if training.weights == "famo" else None


class GradNormFactors:
    """GradNorm: Chen, Badrinarayanan, Lee and Rabinovich, ICML 2018, Algorithm 1.

    The factors w minimise the sum over tasks of |G_t - mean(G) * r_t ** alpha|, where G_t is the length of the gradient
    of w_t L_t, and r_t is L_t over the task's first loss, relative to the mean of that over tasks. The target is held
    constant. Since G_t = w_t * |gradient of L_t|, the derivative by w_t is known without a second backward pass. In the
    paper the gradients are usually those of the last shared layer, to save time; here they are those of all that the
    tasks share, since what the last such layer is depends on the architecture.

    Args:
        like_T: says how many tasks there are, and on which device.
        alpha: the exponent.
        rate: learning rate of Adam, which learns w.
    """

    def __init__(self, like_T: Tensor, alpha: float, rate: float) -> None:
        self.factor_T, self.first_T, self.alpha = torch.ones_like(like_T), torch.zeros_like(like_T), alpha
        self.optimizer = torch.optim.Adam([self.factor_T], lr=rate)

    def of_batch(self, loss_T: Tensor) -> Tensor:
        return self.factor_T.clone()

    def learn(self, loss_T: Tensor, norm_T: Tensor | None, later_T: Tensor | None) -> None:
        assert norm_T is not None
        self.first_T = torch.where(self.first_T > 0, self.first_T, loss_T)
        present_T = (loss_T > 0) & (norm_T > 0)
        pace_T = torch.where(present_T, loss_T / self.first_T, 0.0)
        pace_T = pace_T / _mean(pace_T, present_T)
        target_T = _mean(norm_T, present_T) * pace_T**self.alpha
        gradient_T = (norm_T - target_T).sign() * norm_T / self.factor_T
        before_T = self.factor_T.clone()
        self.factor_T.grad = torch.where(present_T, gradient_T, 0.0)
        self.optimizer.step()
        self.factor_T.copy_(torch.where(present_T, self.factor_T, before_T).clamp(min=SMALLEST_FACTOR))
        self.factor_T.mul_(len(loss_T) / self.factor_T.sum())

    def end_epoch(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor_T, "first": self.first_T, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor_T.copy_(state["factor"])
        self.first_T.copy_(state["first"])
        self.optimizer.load_state_dict(state["optimizer"])


class DwaFactors:
    """Dynamic weight average: Liu, Johns and Davison, End-to-end multi-task learning with attention, CVPR 2019.

    The factors of an epoch are T times the softmax over tasks of r_t / temperature, where r_t is the task's mean loss
    in the epoch before, over that in the one before that; in the first two epochs they are 1. Means are over the steps
    that had labels of the task.

    Args:
        like_T: says how many tasks there are, and on which device.
        temperature: the larger it is, the more alike are the factors.
    """

    def __init__(self, like_T: Tensor, temperature: float) -> None:
        self.factor_T, self.temperature = torch.ones_like(like_T), temperature
        self.sum_T, self.steps_T, self.mean_T = (torch.zeros_like(like_T, dtype=torch.float64) for _ in range(3))

    def of_batch(self, loss_T: Tensor) -> Tensor:
        return self.factor_T

    def learn(self, loss_T: Tensor, norm_T: Tensor | None, later_T: Tensor | None) -> None:
        self.sum_T += loss_T
        self.steps_T += loss_T > 0

    def end_epoch(self) -> None:
        mean_T = self.sum_T / self.steps_T.clamp(min=1)
        rate_T = torch.where((mean_T > 0) & (self.mean_T > 0), mean_T / self.mean_T, 1.0)
        self.factor_T = (len(rate_T) * (rate_T / self.temperature).softmax(dim=0)).to(self.factor_T)
        self.mean_T = torch.where(mean_T > 0, mean_T, self.mean_T)
        self.sum_T, self.steps_T = torch.zeros_like(mean_T), torch.zeros_like(mean_T)

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor_T, "sum": self.sum_T, "steps": self.steps_T, "mean": self.mean_T}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = self.factor_T.device
        self.factor_T, self.sum_T = state["factor"].to(device), state["sum"].to(device)
        self.steps_T, self.mean_T = state["steps"].to(device), state["mean"].to(device)


class FamoFactors:
    """FAMO, fast adaptive multitask optimization: Liu, Feng, Stone and Liu, NeurIPS 2023.

    With z the softmax of the logits, a step is down the gradient of the sum of c * z_t * log L_t, where c makes the
    weights c * z_t / L_t of the losses sum to 1; here they are T times as large, as those of other methods. Then the
    logits learn from how much each log L_t fell in the step on the same batch: those that fell less than others come to
    count more. As in the authors' code, Adam learns them.

    Args:
        like_T: says how many tasks there are, and on which device.
        rate: learning rate of the logits.
        decay: their weight decay.
    """

    def __init__(self, like_T: Tensor, rate: float, decay: float) -> None:
        self.factor_T, self.logit_T = torch.ones_like(like_T), torch.zeros_like(like_T)
        self.optimizer = torch.optim.Adam([self.logit_T], lr=rate, weight_decay=decay)

    def of_batch(self, loss_T: Tensor) -> Tensor:
        present_T = loss_T > 0
        share_T = torch.where(present_T, self._softmax(present_T) / loss_T, 0.0)
        share_T = share_T / share_T.sum().clamp(min=torch.finfo(share_T.dtype).tiny)
        self.factor_T = torch.where(present_T, present_T.sum() * share_T, self.factor_T)
        return self.factor_T

    def learn(self, loss_T: Tensor, norm_T: Tensor | None, later_T: Tensor | None) -> None:
        assert later_T is not None
        present_T = (loss_T > 0) & (later_T > 0)
        fall_T = torch.where(present_T, loss_T.log() - later_T.log(), 0.0)
        z_T = self._softmax(present_T)
        before_T = self.logit_T.clone()
        self.logit_T.grad = z_T * (fall_T - (z_T * fall_T).sum())
        self.optimizer.step()
        self.logit_T.copy_(torch.where(present_T, self.logit_T, before_T))

    def _softmax(self, present_T: Tensor) -> Tensor:
        """Over the tasks that are present; 0 for the others."""
        exp_T = torch.where(present_T, (self.logit_T - self.logit_T.max()).exp(), 0.0)
        return exp_T / exp_T.sum().clamp(min=torch.finfo(exp_T.dtype).tiny)

    def end_epoch(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor_T, "logits": self.logit_T, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor_T = state["factor"].to(self.factor_T)
        self.logit_T.copy_(state["logits"])
        self.optimizer.load_state_dict(state["optimizer"])


def _mean(value_T: Tensor, chosen_T: Tensor) -> Tensor:
    return torch.where(chosen_T, value_T, 0.0).sum() / chosen_T.sum().clamp(min=1)
