"""Network + batches -> a fitted network: epochs, early stopping, checkpoints. All chance comes from the plan's seed."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from aesm_dsl.data.prepare import Tables
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.training.distributed.shards import own_state, whole_state
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting
from aesm_dsl.training.fit.loss_meter import LOOK_EVERY_STEPS, LossMeter
from aesm_dsl.training.fit.step import Stepper, own_seed
from aesm_dsl.training.metrics.predictions import measure, predict_table
from aesm_dsl.training.metrics.scores import ALL, mean
from aesm_dsl.training.run.checkpoint import Checkpoint, Checkpoints
from aesm_dsl.training.run.history import Epoch, FitResult
from aesm_dsl.training.run.reporter import Reporter
from aesm_dsl.training.run.stop_signals import StoppedError, StopSignals
from aesm_dsl.training.sharing.gradient_shares import GradientMeter
from aesm_dsl.training.sharing.health import health

SAMPLE_ROWS = 8192
"""Training rows on which the use of experts is measured after every epoch, if there are no validation rows."""


UNREPORTED = Reporter()


def fit(
    network: AnyNetwork,
    tables: Tables,
    reporter: Reporter = UNREPORTED,
    *,
    weighting: GradientWeighting | None = None,
    checkpoints: Checkpoints | None = None,
    start: Checkpoint | None = None,
    stop: StopSignals | None = None,
) -> FitResult:
    """Trains the network in place, on the device that it is on, as its plan says.

    The same plan, rows and seed give the same weights on a CPU with as many threads, bit for bit, however often
    training was stopped on the way. With validation rows and early stopping the network has the weights of the best
    epoch at the end.

    Args:
        network: the network, on its device.
        tables: encoded training rows, and validation rows if there are any.
        reporter: is told the progress and every epoch. Its processes train together: each takes its share of the rows,
            the first alone reports and writes; weights, history and when to stop are the same in all.
        weighting: the method that the plan's `combine` names; None adds the tasks' gradients up.
        checkpoints: where checkpoints are kept; None keeps none.
        start: the checkpoint to go on from.
        stop: looked at after every step; once it was asked to stop, a checkpoint is written.

    Raises:
        DivergedError: the loss is no longer finite.
        StoppedError: `stop` was asked to.
        ValueError: the weighting is not the plan's.
    """
    if (weighting is None) != (network.plan.training.combine == "sum"):
        raise ValueError(f"the plan combines gradients by {network.plan.training.combine!r}")
    device = next(network.parameters()).device
    # Dropout draws from the global generators: they are seeded here and put back as they were.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(own_seed(network.plan.training.seed, reporter.processes))
        training = _Training(network, tables, reporter, Stepper(network, device, weighting, reporter.processes))
        training.checkpoints, training.stop = checkpoints, stop
        if start is not None:
            training.load(start)
        return training.run()


class _Training:
    """One training, from its first step or a checkpoint to its last."""

    def __init__(self, network: AnyNetwork, tables: Tables, reporter: Reporter, stepper: Stepper) -> None:
        self.network, self.tables, self.reporter, self.stepper = network, tables, reporter, stepper
        self.checkpoints: Checkpoints | None = None
        self.stop: StopSignals | None = None
        self.processes, self.plan, self.device = reporter.processes, network.plan.training, stepper.device
        rank, world_size = self.processes.rank, self.processes.world_size
        self.rows = tables.train if world_size == 1 else tables.train.share(rank, world_size)
        self.batch_rows = self.plan.batch_rows // world_size
        steps_an_epoch = math.ceil(len(self.rows) / self.batch_rows)
        self.steps = self.plan.steps or max(1, math.ceil((self.plan.epochs or 0.0) * steps_an_epoch))
        self.watched = tables.valid if tables.valid is not None else tables.train.sample(SAMPLE_ROWS, self.plan.seed)
        self.fitted, self.best, self.waited = FitResult(), -math.inf, 0
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.epoch, self.taken = 1, 0
        self.meter, self.gradients = self._meters()
        self.before, self.began, self.saved = 0.0, time.perf_counter(), time.perf_counter()
        self.seconds, self.asked, self.due = 0.0, False, False

    @property
    def done(self) -> float:
        """Share of training that is over, in [0, 1]."""
        if self.plan.hours is not None:
            return min(1.0, self.seconds / 3600 / self.plan.hours) if self.fitted.steps else 0.0
        return min(1.0, self.fitted.steps / self.steps)

    @property
    def planned(self) -> int:
        """Expected number of steps; an estimate if the length is given in hours."""
        if self.plan.hours is None:
            return self.steps
        return max(self.fitted.steps, round(self.fitted.steps / max(self.done, 1e-9)))

    def run(self) -> FitResult:
        fitted, training = self.fitted, self.plan
        while True:
            rows, seed = self.batch_rows, training.seed
            for batch in self.rows.batches(rows, seed=seed, epoch=self.epoch, skip=self.taken):
                if self.done >= 1.0:
                    break
                losses = self.stepper.step(batch.to(self.device), self.done)
                fitted.steps += 1
                self.taken += 1
                self._synchronise()
                if fitted.steps % LOOK_EVERY_STEPS == 1:
                    self.gradients.add()
                self.meter.add(losses, fitted.steps, self.planned, self.stepper.rows, self.seconds)
                if self.asked or self.due:
                    self._pause()
            self._end_epoch()
            if self.done >= 1.0 or fitted.stopped_early:
                break
        if self.best_weights is not None or self.stepper.average is not None:
            self.network.load_state_dict(self.best_weights or self.stepper.measured.state_dict())
        self.network.eval()
        return fitted

    def load(self, start: Checkpoint) -> None:
        """Restores a checkpoint of the same plan and rows."""
        state = start.state
        self.stepper.load_state_dict(state["stepper"])
        self.meter.load_state_dict(state["meter"])
        self.gradients.load_state_dict(state["gradients"])
        self.epoch, self.taken = state["epoch"], state["taken"]
        self.before = self.seconds = state["seconds"]
        self.best, self.waited = state["best"], state["waited"]
        self.best_weights = None if start.best is None else own_state(start.best, self.network)
        self.fitted = FitResult(
            [Epoch.from_data(epoch) for epoch in state["history"]], start.step, state["best step"], stopped_early=False
        )

    def _end_epoch(self) -> None:
        fitted, training = self.fitted, self.plan
        self.meter.look(fitted.steps, self.planned, self.stepper.rows, self.seconds)
        self.reporter.phase("validating")
        network = self.stepper.measured
        predictions = predict_table(network, self.watched, self.device, self.processes)
        scores = None if self.tables.valid is None else measure(network, predictions, self.processes)
        self._synchronise()
        value = None if scores is None else mean(scores, training.watched)
        # Of a loss less is better; from here on more is.
        value = -value if value is not None and training.watched in ("log_loss", "normalised_entropy") else value
        if value is not None and training.schedule == "plateau":
            self.stepper.plateau.step(value)
        fitted.history.append(
            Epoch(
                self.epoch,
                fitted.steps,
                self.seconds,
                self.meter.means(),
                None if scores is None else mean(scores, "mean_auc"),
                {score.task: score.log_loss for score in scores or () if score.leaf == ALL},
                health(predictions.usage, self.gradients.shares()),
                self.stepper.log_variances(),
                None if scores is None else mean(scores, "mean_gauc"),
                None if scores is None else mean(scores, "mean_ndcg"),
                self.stepper.loss_factors(),
            )
        )
        if self.stepper.factors is not None:
            self.stepper.factors.end_epoch()
        self.reporter.epoch_ended(fitted.history[-1])
        self.reporter.phase("training")
        if value is None or training.patience_epochs is None:
            fitted.best_step = fitted.steps
        elif value > self.best:
            self.best, self.waited, fitted.best_step = value, 0, fitted.steps
            self.best_weights = {name: weight.detach().clone() for name, weight in network.state_dict().items()}
        else:
            self.waited += 1
            fitted.stopped_early = self.waited >= training.patience_epochs and self.done < 1.0
        self.epoch, self.taken = self.epoch + 1, 0
        self.meter, self.gradients = self._meters()

    def _synchronise(self) -> None:
        """Agrees with the other processes on what decides how training goes on.

        That is the seconds since training began, without the time between a stop and a resume, by the clock of the
        first process; whether any process was asked to stop; and whether a checkpoint is due.
        """
        now = time.perf_counter()
        seconds, asked = self.before + now - self.began, self.stop is not None and bool(self.stop.asked)
        every, minutes = self.plan.checkpoint_steps, self.plan.checkpoint_minutes
        due = minutes is not None and now - self.saved >= 60 * minutes
        if self.processes.world_size > 1:
            said = torch.tensor(
                [seconds * self.processes.is_first, due * self.processes.is_first, asked], dtype=torch.float64
            )
            seconds, due, asked = self.processes.sum(said).tolist()
        self.seconds, self.asked = seconds, bool(asked)
        self.due = bool(due) if every is None else self.fitted.steps % every == 0

    def _pause(self) -> None:
        """Writes a checkpoint; then stops if that was asked for."""
        unsaved = ""
        if self.checkpoints is not None:
            # Raises if the loss has diverged: a checkpoint must not hold weights that are not numbers.
            self.meter.look(self.fitted.steps, self.planned, self.stepper.rows, self.seconds)
            best, state = None, self._state()
            if self.best_weights is not None:
                best = self.fitted.best_step, whole_state(self.best_weights, self.network, self.processes)
            unsaved = self._save(self.checkpoints, state, best) if self.processes.is_first else ""
            self.saved = time.perf_counter()
        if self.asked:
            raise StoppedError(self.fitted.steps, self.planned, unsaved)

    def _save(self, checkpoints: Checkpoints, state: dict[str, Any], best: tuple[int, dict[str, Any]] | None) -> str:
        """Writes a checkpoint. Why it cannot be written is warned about (W607) and returned; training goes on."""
        try:
            checkpoints.save(self.fitted.steps, state, best)
        except OSError as error:
            reason, warnings = (error.strerror or str(error)).lower(), Findings()
            steps = checkpoints.steps()
            last = f"the last one is of step {steps[-1]:,}" if steps else "there is none before it"
            warnings.add(
                "W607",
                f"the checkpoint of step {self.fitted.steps:,} cannot be written: {reason}",
                help=[f"make room in `{checkpoints.folder}`: the next one is tried in its turn", last],
            )
            self.reporter.warn(warnings)
            return reason
        return ""

    def _state(self) -> dict[str, Any]:
        return {
            "stepper": self.stepper.state_dict(),
            "meter": self.meter.state_dict(),
            "gradients": self.gradients.state_dict(),
            "epoch": self.epoch,
            "taken": self.taken,
            "seconds": self.seconds,
            "best": self.best,
            "best step": self.fitted.best_step,
            "waited": self.waited,
            "history": [epoch.to_data() for epoch in self.fitted.history],
        }

    def _meters(self) -> tuple[LossMeter, GradientMeter]:
        names = [task.name for task in self.network.plan.tasks.tasks]
        return LossMeter(names, self.reporter.watch), GradientMeter(self.network)
