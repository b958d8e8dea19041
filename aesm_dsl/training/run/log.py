"""`TrainingLog`: a training as lines of JSON, and as event files for TensorBoard if that is installed.

log.jsonl  a line for every report of the losses, and one for every epoch; appended as training goes
events/    the same numbers, for `tensorboard --logdir`
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.run.history import Epoch, Progress
from aesm_dsl.training.run.mlflow_tracking import MlflowTracker

LINES, EVENTS = "log.jsonl", "events"


class TrainingLog:
    """Writes into a folder within its `with` block.

    A full disk does not end a training: lines wait in memory until there is room, and a warning (W607) says so once.

    Args:
        folder: where to write; None writes nothing.
        after: step of the checkpoint that training goes on from; lines about later steps are removed.
        tracker: is given the same numbers.
        warn: called with warnings: lines that cannot be read (W603), or written (W607).

    Raises:
        OSError: the log of a training that goes on cannot be written.
    """

    def __init__(
        self, folder: Path | None, after: int, tracker: MlflowTracker, warn: Callable[[Findings], None]
    ) -> None:
        self._tracker, self._warn = tracker, warn
        self._lines: _Lines | None = None
        self._events: Any = None
        if folder is not None:
            path = folder / LINES
            _cut(path, after, warn)
            self._lines = _Lines(path)
            self._events = _events(folder / EVENTS, after)
        self._warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lines is not None:
            self._lines.close()
        if self._events is not None:
            with suppress(OSError):
                self._events.close()

    def progress(self, progress: Progress) -> None:
        self._line({**asdict(progress), "seconds": round(progress.seconds, 3)})
        rows_a_second = progress.rows / max(progress.seconds, 1e-9)
        self._scalars({"rows a second": rows_a_second, **_named("loss", progress.losses)}, progress.step)

    def epoch(self, epoch: Epoch) -> None:
        self._line({**epoch.to_data(), "seconds": round(epoch.seconds, 3)})
        means = {"mean AUC": epoch.valid_mean_auc, "mean GAUC": epoch.valid_mean_gauc}
        values = {**means, "mean NDCG": epoch.valid_mean_ndcg, **_named("loss of the epoch", epoch.train_losses)}
        in_use = {f"experts in use/{health.level} {health.layer + 1}": float(health.in_use) for health in epoch.experts}
        self._scalars({**values, **_named("valid loss", epoch.valid_losses), **in_use}, epoch.step)

    def _line(self, values: dict[str, Any]) -> None:
        if self._lines is not None:
            try:
                self._lines.append(json.dumps(values, ensure_ascii=False) + "\n")
            except OSError as error:
                self._unwritten(self._lines.path, error, "its lines wait in memory until there is room")

    def _scalars(self, values: dict[str, float | None], step: int) -> None:
        self._tracker.scalars(values, step)
        if self._events is not None:
            try:
                for name, value in values.items():
                    if value is not None:
                        self._events.add_scalar(name, value, step)
            except OSError as error:
                self._unwritten(Path(self._events.log_dir), error, "what follows is not in it")
                self._events = None

    def _unwritten(self, path: Path, error: OSError, what: str) -> None:
        if not self._warned:
            warnings, reason = Findings(), (error.strerror or str(error)).lower()
            warnings.add("W607", f"`{path}` cannot be written: {reason}: training goes on, and {what}")
            self._warn(warnings)
            self._warned = True


class _Lines:
    """A file to which lines are appended, each one whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path, self._file, self._pending = path, path.open("ab", buffering=0), b""

    def append(self, line: str) -> None:
        """Appends a line, after those that could not be written before.

        Raises:
            OSError: it cannot be written; it is kept for the next time.
        """
        self._pending += line.encode()
        size = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(self._pending)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(size)
            raise
        self._pending = b""

    def close(self) -> None:
        with suppress(OSError):
            self.append("")
        self._file.close()


def _named(what: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{what}/{name}": value for name, value in values.items()}


def _cut(path: Path, step: int, warn: Callable[[Findings], None]) -> None:
    """Removes from a log what is not about steps up to this one: lines of later steps, or that cannot be read."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    steps = [_step_of(line) for line in lines]
    # Half a line at the end is what a kill leaves.
    bad = [
        number
        for number, (line, at) in enumerate(zip(lines, steps, strict=True), 1)
        if at is None and line[-1:] == "\n"
    ]
    if bad and step:
        warnings = Findings()
        which = f"line {bad[0]:,}" if len(bad) == 1 else f"{len(bad):,} lines, the first of them line {bad[0]:,},"
        verb = "is" if len(bad) == 1 else "are"
        warnings.add("W603", f"in `{path}`, {which} cannot be read, and {verb} left out")
        warn(warnings)
    kept = "".join(line for line, at in zip(lines, steps, strict=True) if at is not None and 0 < at <= step)
    if kept != text:
        write_text(path, kept)


def _step_of(line: str) -> int | None:
    """The step of a line; None if the line is not whole."""
    try:
        step = json.loads(line)["step"] if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return step if type(step) is int else None


def _events(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
