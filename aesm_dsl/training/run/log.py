"""`TrainingLog`: a training as lines of JSON, and as event files for TensorBoard if that is installed.

log.jsonl  a line for every report of the losses, and one for every epoch; appended as training goes, never half a line
events/    the same numbers, for `tensorboard --logdir`
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aesm_dsl.training.run.history import Epoch, Progress
from aesm_dsl.training.run.mlflow_tracking import MlflowTracker

LINES, EVENTS = "log.jsonl", "events"


class TrainingLog:
    """Writes into a folder within its `with` block.

    Args:
        folder: where to write; None writes nothing.
        after: step of the checkpoint that training goes on from; lines about later steps are removed.
        tracker: is given the same numbers.
    """

    def __init__(self, folder: Path | None, after: int, tracker: MlflowTracker) -> None:
        self._file = self._events = None
        self._tracker = tracker
        if folder is not None:
            lines = _up_to(folder / LINES, after)
            self._file = (folder / LINES).open("w", encoding="utf-8")
            self._file.writelines(lines)
            self._events = _events(folder / EVENTS, after)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._file, self._events):
            if file is not None:
                file.close()

    def progress(self, progress: Progress) -> None:
        self._line({**asdict(progress), "seconds": round(progress.seconds, 3)})
        rows_a_second = progress.rows / max(progress.seconds, 1e-9)
        self._scalars({"rows a second": rows_a_second, **_named("loss", progress.losses)}, progress.step)

    def epoch(self, epoch: Epoch) -> None:
        self._line({**epoch.to_data(), "seconds": round(epoch.seconds, 3)})
        areas = {"mean AUC": epoch.valid_mean_auc, "mean GAUC": epoch.valid_mean_gauc}
        values = {**areas, **_named("loss of the epoch", epoch.train_losses)}
        in_use = {f"experts in use/{health.level} {health.layer + 1}": float(health.in_use) for health in epoch.experts}
        self._scalars({**values, **_named("valid loss", epoch.valid_losses), **in_use}, epoch.step)

    def _line(self, values: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
            self._file.flush()

    def _scalars(self, values: dict[str, float | None], step: int) -> None:
        self._tracker.scalars(values, step)
        if self._events is not None:
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(name, value, step)


def _named(what: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{what}/{name}": value for name, value in values.items()}


def _up_to(path: Path, step: int) -> list[str]:
    """The complete lines of a log about steps up to this one."""
    if not step or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]


def _events(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
