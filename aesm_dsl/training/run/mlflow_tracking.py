"""`MlflowTracker` logs a training to MLflow: its settings, losses and metrics, the spec, and where the run is.

MLflow's own variable MLFLOW_TRACKING_URI says where it is kept; MLFLOW_EXPERIMENT_NAME names the experiment (without
it, the experiment has the spec's name). A training that is resumed goes on in its MLflow run.
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

from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.run.stop_signals import StoppedError

RUN_FILE = "mlflow.json"
"""File in the folder of a run in progress that names its MLflow run."""

MEASURES = (
    *("auc", "gauc", "ndcg", "mrr", "hit_rate", "map"),
    *("log_loss", "normalised_entropy", "calibration", "calibration_error"),
)


class MlflowTracker:
    """Logs a training to one MLflow run, within its `with` block.

    An exception of MLflow ends the logging, with one warning (W604), but not the training.

    Args:
        mlflow: the library; None logs nothing.
        warn: called with the warning.
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
        """Starts a new MLflow run, or goes on with the one that the folder of a run in progress names.

        Args:
            folder: of the run in progress.
            plan: its settings are logged as parameters.
            spec: text of the resolved spec, logged as an artifact.
            run: name for a new MLflow run.
        """
        if self._mlflow is None:
            return
        entities, run_file = self._mlflow.entities, folder / RUN_FILE

        def start() -> None:
            self._client = client = self._mlflow.MlflowClient()
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", plan.name)
            known = client.get_experiment_by_name(name)
            experiment = client.create_experiment(name) if known is None else known.experiment_id
            if run_file.is_file():
                existing = json.loads(run_file.read_text(encoding="utf-8"))
                client.update_run(existing, "RUNNING")
                self._run = existing
                return
            self._run = client.create_run(experiment, run_name=run).info.run_id
            write_text(run_file, json.dumps(self._run))
            client.log_batch(self._run, params=[entities.Param(*pair) for pair in _params(plan).items()])
            client.log_text(self._run, spec, "spec.aesm")

        self._client = self._mlflow
        self._try(start)

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Logs the numbers of a step, except those that are None."""
        now, known = int(time.time() * 1000), {name: value for name, value in values.items() if value is not None}
        self._try(
            lambda: self._client.log_batch(
                self._run, [self._mlflow.entities.Metric(name, value, now, step) for name, value in known.items()]
            )
        )

    def end(self, scores: Sequence[Score], step: int, folder: Path) -> None:
        """Logs the metrics of the run and where its folder is, and ends the MLflow run."""
        self.scalars(
            {
                f"{name}/{score.task}": getattr(score, name)
                for score in scores
                if score.leaf == ALL
                for name in MEASURES
            },
            step,
        )
        self._try(lambda: self._client.set_tag(self._run, "aesm.run", str(folder.absolute())))
        self._close("FINISHED")

    def _close(self, status: str) -> None:
        self._try(lambda: self._client.set_terminated(self._run, status))
        self._run = ""

    def _try(self, call: Callable[[], Any]) -> None:
        """Calls MLflow, unless an earlier call has failed."""
        if self._client is None:
            return
        try:
            call()
        except Exception as error:
            self._client = None
            warnings, uri = Findings(), self._mlflow.get_tracking_uri()
            help = [
                _first_line(error),
                "`MLFLOW_TRACKING_URI` says where MLflow keeps its runs, such as `sqlite:///runs.db`",
            ]
            warnings.add("W604", f"MLflow at `{uri}` is not told how training goes, which goes on", help=help)
            self._warn(warnings)


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
    """The architecture, and the settings of training under their names in the plan."""
    flat: dict[str, Any] = {"architecture": plan.baseline.architecture if plan.baseline is not None else "aes"}
    for name, value in asdict(plan.training).items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return {name: str(value) for name, value in flat.items() if value is not None}


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) < 300 else line[:300] + " ..."
