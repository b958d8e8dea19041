"""`Stepper`: one optimization step after another, with everything that changes from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.no_compile import no_compile
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.distributed.shards import own_optimizer_state, own_state, whole_optimizer_state, whole_state
from aesm_dsl.training.fit.average import WeightAverage
from aesm_dsl.training.fit.combine import backward
from aesm_dsl.training.fit.compile import step_of, stepping
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, Vaccine
from aesm_dsl.training.fit.hide_nodes import hide_nodes
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.optimizer import clip, optimizers
from aesm_dsl.training.fit.repeat import Repeat
from aesm_dsl.training.fit.schedule import factor, sigma
from aesm_dsl.training.fit.task_factors import task_factors


def own_seed(seed: int, processes: ProcessGroup) -> int:
    """Returns the seed of what a process draws for its own rows; that of the first process is the plan's."""
    return seed + (processes.rank << 32)


class Stepper:
    """Takes optimization steps, and holds everything that changes from step to step.

    Args:
        network: the network, on `device`, which is trained in place.
        device: where the batches are.
        weighting: how the gradients of the tasks are combined; None adds them up.
        processes: the processes that train together.
    """

    def __init__(
        self,
        network: AnyNetwork,
        device: torch.device,
        weighting: GradientWeighting | None,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        plan = network.plan
        training, self.weighting, self.processes = plan.training, weighting, processes
        self.device = device
        self.network, self.plan, self.rows = network, plan, 0
        self.noise = torch.Generator(device).manual_seed(own_seed(training.seed, processes))
        self.optimizers = optimizers(network, training)
        self.run = stepping(network)
        self.log_variance_T: nn.Parameter | None = None
        zeros_T = next(network.parameters()).detach().new_zeros(len(plan.tasks.tasks), device=device)
        self.factors = task_factors(training, zeros_T)
        self.norm_T: Tensor | None = None
        if training.weights == "uncertainty":
            self.log_variance_T = nn.Parameter(zeros_T)
            self.optimizers[0].add_param_group({"params": [self.log_variance_T], "weight_decay": 0.0})
        self.groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self.parameters: list[nn.Parameter] = [parameter for group in self.groups for parameter in group["params"]]
        self.average = None if training.ema_decay is None else WeightAverage(network, training.ema_decay)
        if network.shallow_tower is not None and processes.world_size > 1:
            network.shallow_tower.sum_of_processes = no_compile(processes.sum)
        # ReduceLROnPlateau sets the learning rate of an optimizer. It gets one of its own, whose rate is our factor.
        self.lowered = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
        self.plateau = plateau(self.lowered, "max", training.plateau_factor, training.plateau_patience, threshold=0.0)

    @property
    def measured(self) -> AnyNetwork:
        """The network to measure and keep: the average of the weights if there is one."""
        return self.network if self.average is None else self.average.module

    def step(self, batch: Batch, done: float) -> Tensor:
        """Takes one step.

        Args:
            batch: this process's rows of the step. Losses and gradients are those of the rows of all processes.
            done: share of training that is over, in [0, 1), which decides learning rate and noise.

        Returns:
            The losses of the tasks (T), before their weights, still on the device.
        """
        self.network.train()
        rate = self.plan.training.rate * factor(self.plan.training, done) * self.lowered.param_groups[0]["lr"]
        for group in self.groups:
            group["lr"] = rate
        noise = Noise(sigma(self.plan.training.noise, done), self.plan.training.noise.mixture, self.noise)
        batch = hide_nodes(batch, self.plan.levels, self.noise)
        autocast = torch.autocast(
            self.noise.device.type, torch.bfloat16, enabled=self.plan.training.precision == "bf16"
        )
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        repeat = Repeat(self.network, self.noise) if self.plan.training.weights == "famo" else None
        with step_of(self.plan.training, self.device):
            with autocast:
                prediction = self.run(batch, noise)
            losses = loss(prediction, batch, self.plan, self.log_variance_T, self.processes)
            loss_T = self.processes.sum(torch.stack(list(losses.task.values())).detach())
            if self.factors is not None:
                losses = losses.times(self.factors.of_batch(loss_T))
            watch = self._measure if self.plan.training.weights == "gradnorm" else None
            backward(losses, self.parameters, self.weighting, self.processes, watch)
        if self.plan.training.clip is not None:
            clip(self.parameters, self.plan.training.clip, self.processes)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.rows += batch.rows * self.processes.world_size
        if self.factors is not None:
            later_T = None
            if repeat is not None:
                with repeat, autocast, torch.no_grad():
                    later = loss(self.network(batch, noise), batch, self.plan, None, self.processes)
                later_T = self.processes.sum(torch.stack(list(later.task.values())))
            self.factors.learn(loss_T, self.norm_T, later_T)
        return loss_T

    def _measure(self, gram_TT: Tensor) -> None:
        """Keeps the lengths of the tasks' gradients, without the tasks' own weights."""
        weight_T = gram_TT.new_tensor([task.weight for task in self.plan.tasks.tasks])
        self.norm_T = gram_TT.diagonal().sqrt() / weight_T

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that the following steps depend on: weights, optimizer state, average, random states.

        Every process must call it. Only the first one gets the whole of what each process has alone.
        """
        device, averaged = self.noise.device, self.average
        chance = {
            "noise": self.noise.get_state(),
            "here": torch.get_rng_state(),
            "there": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }
        return {
            "network": whole_state(self.network.state_dict(), self.network, self.processes),
            "optimizers": [
                whole_optimizer_state(optimizer, self.network, self.processes) for optimizer in self.optimizers
            ],
            "average": averaged and whole_state(averaged.module.state_dict(), self.network, self.processes),
            "averaged": 0 if averaged is None else averaged.steps,
            "plateau": self.plateau.state_dict(),
            "lowered": self.lowered.param_groups[0]["lr"],
            "log variances": None if self.log_variance_T is None else self.log_variance_T.detach(),
            "factors": None if self.factors is None else self.factors.state_dict(),
            "weighting": self.weighting.state_dict() if isinstance(self.weighting, Vaccine) else None,
            "rows": self.rows,
            "chance": self.processes.gather_objects(chance),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            RuntimeError, ValueError, KeyError: it is the state of another network.
        """
        self.network.load_state_dict(own_state(state["network"], self.network))
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own_optimizer_state(saved, optimizer, self.network))
        # Loading replaces the groups.
        self.groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        if self.average is not None:
            self.average.module.load_state_dict(own_state(state["average"], self.network))
            self.average.steps = state["averaged"]
        self.plateau.load_state_dict(state["plateau"])
        self.lowered.param_groups[0]["lr"] = state["lowered"]
        if self.log_variance_T is not None:
            self.log_variance_T.data.copy_(state["log variances"])
        if self.factors is not None:
            self.factors.load_state_dict(state["factors"])
        if isinstance(self.weighting, Vaccine):
            self.weighting.restore(state["weighting"])
        self.rows = state["rows"]
        chance = state["chance"][self.processes.rank]
        self.noise.set_state(chance["noise"])
        torch.set_rng_state(chance["here"])
        if chance["there"] is not None and self.noise.device.type == "cuda":
            torch.cuda.set_rng_state(chance["there"], self.noise.device)

    def log_variances(self) -> dict[str, float]:
        """Returns for every task the s that was learnt so far; empty if the tasks' weights are fixed."""
        return {} if self.log_variance_T is None else self._by_task(self.log_variance_T)

    def loss_factors(self) -> dict[str, float]:
        """Returns for every task what its loss counted in the last step, beside its weight; empty if that is fixed."""
        return {} if self.factors is None else self._by_task(self.factors.factor_T)

    def _by_task(self, value_T: Tensor) -> dict[str, float]:
        return dict(zip([task.name for task in self.plan.tasks.tasks], value_T.tolist(), strict=True))
