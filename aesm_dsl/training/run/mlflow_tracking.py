"""`MlflowTracker` logs a training to MLflow: its settings, losses and metrics, the spec, and where the run is.

Where it is kept says MLflow's own variable MLFLOW_TRACKING_URI, in which experiment MLFLOW_EXPERIMENT_NAME (without it,
one of the spec's name). A training that goes on after a stop goes on in the MLflow run that it began.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.run.stop_signals import StoppedError

RUN_FILE = "mlflow.json"
"""In the folder of an unfinished training: the MLflow run that it is told to."""

MEASURES = ("auc", "gauc", "log_loss", "normalised_entropy", "calibration", "calibration_error")


class MlflowTracker:
    """Within its `with` block one MLflow run is told how a training goes; nobody is where `mlflow` is None.

    Whatever MLflow raises ends the telling, with one warning (W604), and not the training.
    """

    def __init__(self, mlflow: Any, warn: Callable[[Findings], None]) -> None:
        self._mlflow, self._warn, self._run = mlflow, warn, ""
        self._client: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run:
            stopped = isinstance(error, StoppedError | KeyboardInterrupt)
            self._close("KILLED" if stopped else "FAILED")

    def begin(self, folder: Path, plan: Plan, spec: str, run: str) -> None:
        """A new MLflow run, or the one that the folder of an unfinished training names.

        run  what it is called
        """
        if self._mlflow is None:
            return
        entities, kept = self._mlflow.entities, folder / RUN_FILE

        def go() -> None:
            self._client = client = self._mlflow.MlflowClient()
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", plan.name)
            known = client.get_experiment_by_name(name)
            experiment = client.create_experiment(name) if known is None else known.experiment_id
            if kept.is_file():
                found = json.loads(kept.read_text(encoding="utf-8"))
                client.update_run(found, "RUNNING")
                self._run = found
                return
            self._run = client.create_run(experiment, run_name=run).info.run_id
            kept.write_text(json.dumps(self._run), encoding="utf-8")
            client.log_batch(self._run, params=[entities.Param(*pair) for pair in _params(plan).items()])
            client.log_text(self._run, spec, "spec.aesm")

        self._client = self._mlflow
        self._try(go)

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        now, given = int(time.time() * 1000), {name: one for name, one in values.items() if one is not None}
        self._try(
            lambda: self._client.log_batch(
                self._run, [self._mlflow.entities.Metric(name, one, now, step) for name, one in given.items()]
            )
        )

    def end(self, scores: Sequence[Score], step: int, folder: Path) -> None:
        """What the run was measured at, and where its folder is."""
        self.scalars(
            {f"{name}/{one.task}": getattr(one, name) for one in scores if one.leaf == ALL for name in MEASURES}, step
        )
        self._try(lambda: self._client.set_tag(self._run, "aesm.run", str(folder.absolute())))
        self._close("FINISHED")

    def _close(self, status: str) -> None:
        self._try(lambda: self._client.set_terminated(self._run, status))
        self._run = ""

    def _try(self, go: Callable[[], Any]) -> None:
        if self._client is None:
            return
        try:
            go()
        except Exception as error:
            self._client = None
            notes, where = Findings(), self._mlflow.get_tracking_uri()
            helps = [
                _said(error),
                "`MLFLOW_TRACKING_URI` says where MLflow keeps its runs, such as `sqlite:///runs.db`",
            ]
            notes.add("W604", f"MLflow at `{where}` is not told how training goes, which goes on", help=helps)
            self._warn(notes)


NO_TRACKER = MlflowTracker(None, lambda warnings: None)
"""Logs nothing."""


def mlflow_tracker(findings: Findings, warn: Callable[[Findings], None]) -> MlflowTracker:
    """A tracker that logs to MLflow; adds E607 if it is not installed.

    Args:
        warn: called with one warning (W604) if MLflow cannot be reached.
    """
    try:
        import mlflow
    except ImportError:
        install = ['`pip install "aesm-dsl[mlflow]"`', "or train without `--mlflow`"]
        findings.add("E607", "`--mlflow` needs mlflow, which is not installed", help=install)
        return NO_TRACKER
    return MlflowTracker(mlflow, warn)


def _params(plan: Plan) -> dict[str, str]:
    """What the network is, and the settings of training by the plan's names."""
    flat: dict[str, Any] = {"architecture": plan.baseline.architecture if plan.baseline is not None else "aes"}
    for name, value in asdict(plan.training).items():
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return {name: str(value) for name, value in flat.items() if value is not None}


def _said(error: Exception) -> str:
    """The first line of what it says."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) < 300 else line[:300] + " ..."
