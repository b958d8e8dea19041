"""`StopSignals`: SIGINT and SIGTERM ask a training to stop; `StoppedError`: it did."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """Training was asked to stop, and did, with a checkpoint if any are kept.

    Attributes:
        step: the last step that was taken.
        steps: steps there would have been.
        unsaved: why the checkpoint of this step could not be written; empty if it was, or none are kept.
    """

    def __init__(self, step: int, steps: int, unsaved: str = "") -> None:
        super().__init__(
            f"stopped after step {step:,} of {steps:,}{f', without a checkpoint of it: {unsaved}' if unsaved else ''}"
        )
        self.step, self.steps, self.unsaved = step, steps, unsaved


class StopSignals:
    """Within its `with` block, the first SIGINT or SIGTERM only sets `asked`; the next one has its usual effect.

    It does nothing outside of the main thread, where Python cannot handle signals.

    Args:
        patient: ignore further signals too: torchrun sends several, and SIGKILL when it no longer waits.
    """

    asked: int = 0
    """Number of the signal that arrived; 0 if none did."""

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient

    def __enter__(self) -> Self:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        if not self._patient:
            self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
