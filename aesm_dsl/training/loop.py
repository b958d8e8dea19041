"""Network + batches -> a fitted network: steps, schedules, early stop. All chance comes from the plan's seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.prepare import Tables
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan import Plan
from aesm_dsl.training.combine import Weigh, backward
from aesm_dsl.training.evaluate import forecast, judge
from aesm_dsl.training.gradients import GradientMeter
from aesm_dsl.training.health import Health, health
from aesm_dsl.training.hide import hide_nodes
from aesm_dsl.training.loss import loss
from aesm_dsl.training.metric import ALL, Score, mean_auc
from aesm_dsl.training.optimizer import optimizers
from aesm_dsl.training_plan import NoisePlan, TrainingPlan

LOOK_EVERY_STEPS = 20
"""Steps between looks at the loss. Each look waits for the device, so it is not done every step."""

SAMPLE_ROWS = 8192
"""Training rows on which the use of experts is looked at after every epoch where there are no validation rows."""


class DivergedError(Exception):
    """The loss is no longer a number. `step` counts from 1, `task` is the task whose loss it was."""

    def __init__(self, step: int, task: str) -> None:
        super().__init__(f"the loss of task `{task}` is not finite at step {step}")
        self.step = step
        self.task = task


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

    @staticmethod
    def from_data(values: Mapping[str, Any]) -> Epoch:
        """The epoch that `dataclasses.asdict` and JSON made a dictionary of."""
        return Epoch(**{**values, "experts": tuple(Health.from_data(one) for one in values.get("experts", ()))})


@dataclass(slots=True)
class Fitted:
    """The history, and the step whose weights the network has now: the best one if training watched valid rows."""

    history: list[Epoch] = field(default_factory=list)
    steps: int = 0
    best_step: int = 0
    stopped_early: bool = False


def fit(
    network: AnyNetwork,
    tables: Tables,
    device: torch.device,
    watch: Callable[[Progress], None] = lambda progress: None,
    weigh: Weigh | None = None,
) -> Fitted:
    """Trains the network in place, as its plan says. Raises DivergedError when the loss is no longer finite.

    weigh  the method that the plan's `combine` names; None adds the tasks' gradients up

    The same plan, rows and seed give the same weights on a CPU, bit for bit. With validation rows and early stop the
    weights of the best epoch are put back at the end.
    """
    plan, training = network.plan, network.plan.training
    if (weigh is None) != (training.combine == "sum"):
        raise ValueError(f"the plan combines gradients by {training.combine!r}")
    steps_an_epoch = math.ceil(len(tables.train) / training.batch_rows)
    steps = training.steps or max(1, math.ceil((training.epochs or 0.0) * steps_an_epoch))
    stepper = _Stepper(network, plan, device, steps, weigh)
    fitted, best, state, waited = Fitted(), -math.inf, None, 0
    began = time.perf_counter()
    watched = tables.valid if tables.valid is not None else tables.train.sample(SAMPLE_ROWS, training.seed)
    # Dropout draws from the global generators: they are seeded here and put back as they were.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(training.seed)
        for epoch in range(1, math.ceil(steps / steps_an_epoch) + 1):
            meter, gradients = _Meter(plan, steps, began, watch), GradientMeter(network)
            batches = tables.train.batches(training.batch_rows, seed=training.seed, epoch=epoch)
            for batch in islice(batches, steps - fitted.steps):
                losses = stepper.step(batch.to(device), fitted.steps)
                fitted.steps += 1
                if fitted.steps % LOOK_EVERY_STEPS == 1:
                    gradients.add()
                meter.add(losses, fitted.steps, stepper.rows)
            meter.look(fitted.steps, stepper.rows)
            seen = forecast(network, watched, device)
            found = None if tables.valid is None else judge(network, seen)
            value = mean_auc(found) if found is not None else None
            experts = health(seen.usage, gradients.shares())
            ended = _epoch(epoch, fitted.steps, began, meter.means(), value, found, experts)
            fitted.history.append(replace(ended, log_variances=stepper.log_variances()))
            if value is None or training.patience_epochs is None:
                fitted.best_step = fitted.steps
            elif value > best:
                best, waited, fitted.best_step = value, 0, fitted.steps
                state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            else:
                waited += 1
                if waited >= training.patience_epochs and fitted.steps < steps:
                    fitted.stopped_early = True
                    break
    if state is not None:
        network.load_state_dict(state)
    network.eval()
    return fitted


class _Stepper:
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

    def log_variances(self) -> dict[str, float]:
        """By task the s that was learnt so far; empty where the tasks' weights are fixed."""
        if self.log_variance_T is None:
            return {}
        names = [task.name for task in self.plan.tasks.tasks]
        return dict(zip(names, self.log_variance_T.tolist(), strict=True))


class _Meter:
    """Adds up the losses of an epoch on the device; looks at them now and then, for the watcher and for divergence."""

    def __init__(self, plan: Plan, steps: int, began: float, watch: Callable[[Progress], None]) -> None:
        self.names = [task.name for task in plan.tasks.tasks]
        self.steps, self.began, self.watch = steps, began, watch
        self.pending: list[Tensor] = []
        self.total, self.seen = [0.0] * len(self.names), 0

    def add(self, losses: Tensor, step: int, rows: int) -> None:
        self.pending.append(losses)
        if len(self.pending) == LOOK_EVERY_STEPS or step == self.steps:
            self.look(step, rows)

    def look(self, step: int, rows: int) -> None:
        """Waits for the device, and tells what the losses since the last look were."""
        if not self.pending:
            return
        values = torch.stack(self.pending).double().cpu()
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            raise DivergedError(step - len(self.pending) + 1 + int(bad[0, 0]), self.names[int(bad[0, 1])])
        sums = values.sum(dim=0).tolist()
        self.total = [before + value for before, value in zip(self.total, sums, strict=True)]
        means = {name: value / len(self.pending) for name, value in zip(self.names, sums, strict=True)}
        self.seen += len(self.pending)
        self.pending = []
        self.watch(Progress(step, self.steps, rows, time.perf_counter() - self.began, means))

    def means(self) -> dict[str, float]:
        """Mean loss per task over the epoch so far."""
        return {name: value / self.seen for name, value in zip(self.names, self.total, strict=True)}


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


def _epoch(
    epoch: int,
    step: int,
    began: float,
    losses: dict[str, float],
    value: float | None,
    found: tuple[Score, ...] | None,
    experts: tuple[Health, ...],
) -> Epoch:
    valid = {score.task: score.log_loss for score in found or () if score.leaf == ALL}
    return Epoch(epoch, step, time.perf_counter() - began, losses, value, valid, experts)
