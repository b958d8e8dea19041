"""`TrainingLog`: a training as lines of JSON, and as event files for TensorBoard where that is installed.

log.jsonl  a line for every look at the losses, and one for every epoch; appended to as it goes, never half a line
events/    the same numbers for `tensorboard --logdir`
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
    """Written into a folder, within its `with` block; nowhere without one.

    after  the step of the checkpoint that training goes on from: what was written of later ones is taken back
    track  is told the same numbers
    """

    def __init__(self, folder: Path | None, after: int, track: MlflowTracker) -> None:
        self._file = self._events = None
        self._track = track
        if folder is not None:
            kept = _up_to(folder / LINES, after)
            self._file = (folder / LINES).open("w", encoding="utf-8")
            self._file.writelines(kept)
            self._events = _events(folder / EVENTS, after)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._file, self._events):
            if one is not None:
                one.close()

    def progress(self, now: Progress) -> None:
        self._line({**asdict(now), "seconds": round(now.seconds, 3)})
        rows_a_second = now.rows / max(now.seconds, 1e-9)
        self._scalars({"rows a second": rows_a_second, **_named("loss", now.losses)}, now.step)

    def epoch(self, now: Epoch) -> None:
        self._line({**now.to_data(), "seconds": round(now.seconds, 3)})
        areas = {"mean AUC": now.valid_mean_auc, "mean GAUC": now.valid_mean_gauc}
        values = {**areas, **_named("loss of the epoch", now.train_losses)}
        in_use = {f"experts in use/{one.level} {one.layer + 1}": float(one.in_use) for one in now.experts}
        self._scalars({**values, **_named("valid loss", now.valid_losses), **in_use}, now.step)

    def _line(self, values: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
            self._file.flush()

    def _scalars(self, values: dict[str, float | None], step: int) -> None:
        self._track.scalars(values, step)
        if self._events is not None:
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(name, value, step)


def _named(what: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{what}/{name}": value for name, value in values.items()}


def _up_to(path: Path, step: int) -> list[str]:
    """The whole lines of a log about steps up to this one."""
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
