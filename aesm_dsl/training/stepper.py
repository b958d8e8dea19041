"""`Stepper`: one optimisation step after the other, with everything that changes from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan import Plan
from aesm_dsl.training.combine import Weigh, backward
from aesm_dsl.training.hide import hide_nodes
from aesm_dsl.training.loss import loss
from aesm_dsl.training.optimizer import optimizers
from aesm_dsl.training_plan import NoisePlan, TrainingPlan


class Stepper:
    """One optimisation step at a time, with everything that changes from step to step."""

    def __init__(self, network: AnyNetwork, plan: Plan, device: torch.device, steps: int, weigh: Weigh | None) -> None:
        training, self.weigh = plan.training, weigh
        self.network, self.plan, self.steps, self.rows = network, plan, steps, 0
        self.noise = torch.Generator(device).manual_seed(training.seed)
        self.optimizers = optimizers(network, training)
        self.log_variance_T: nn.Parameter | None = None
        if training.weights == "uncertainty":
            self.log_variance_T = nn.Parameter(torch.zeros(len(plan.tasks.tasks), device=device))
            self.optimizers[0].add_param_group({"params": [self.log_variance_T], "weight_decay": 0.0})
        groups = [group for one in self.optimizers for group in one.param_groups]
        self.parameters: list[nn.Parameter] = [one for group in groups for one in group["params"]]
        self.schedules = [_schedule(one, training, steps) for one in self.optimizers]

    def step(self, batch: Batch, done: int) -> Tensor:
        """The losses of the tasks, stacked, still on the device."""
        self.network.train()
        noise = Noise(sigma(self.plan.training.noise, done / self.steps), self.plan.training.noise.mixture, self.noise)
        batch = hide_nodes(batch, self.plan.levels, self.noise)
        found = loss(self.network(batch, noise), batch, self.plan, self.log_variance_T)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        backward(found, self.parameters, self.weigh)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            if schedule is not None:
                schedule.step()
        self.rows += batch.rows
        return torch.stack(list(found.task.values())).detach()

    def state_dict(self) -> dict[str, Any]:
        """All that the steps to come depend on, the network and all chance included."""
        place = self.noise.device
        return {
            "network": self.network.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "schedules": [None if one is None else one.state_dict() for one in self.schedules],
            "log variances": None if self.log_variance_T is None else self.log_variance_T.detach(),
            "rows": self.rows,
            "noise": self.noise.get_state(),
            "chance": torch.get_rng_state(),
            "chance there": torch.cuda.get_rng_state(place) if place.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError, ValueError or KeyError for the state of another network."""
        self.network.load_state_dict(state["network"])
        for one, old in zip(self.optimizers, state["optimizers"], strict=True):
            one.load_state_dict(old)
        for schedule, old in zip(self.schedules, state["schedules"], strict=True):
            if schedule is not None:
                schedule.load_state_dict(old)
        if self.log_variance_T is not None:
            self.log_variance_T.data.copy_(state["log variances"])
        self.rows = state["rows"]
        self.noise.set_state(state["noise"])
        torch.set_rng_state(state["chance"])
        if state["chance there"] is not None and self.noise.device.type == "cuda":
            torch.cuda.set_rng_state(state["chance there"], self.noise.device)

    def log_variances(self) -> dict[str, float]:
        """By task the s that was learnt so far; empty where the tasks' weights are fixed."""
        if self.log_variance_T is None:
            return {}
        names = [task.name for task in self.plan.tasks.tasks]
        return dict(zip(names, self.log_variance_T.tolist(), strict=True))


def sigma(noise: NoisePlan, done: float) -> float:
    """Standard deviation of the gate noise when a share `done` of training is over (eq. 2)."""
    if noise.schedule == "constant":
        return noise.start
    return noise.start * max(0.0, 1.0 - done / noise.over)


def _schedule(
    optimizer: torch.optim.Optimizer, training: TrainingPlan, steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if training.schedule == "constant":
        return None
    # One step more than is taken: the schedule sets the rate of the step after the last one too.
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=training.rate, total_steps=steps + 1, cycle_momentum=False
    )
