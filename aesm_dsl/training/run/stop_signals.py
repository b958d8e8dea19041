"""`StopSignals`: signals that ask training to stop, and `StoppedError`, that it did."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """Training was asked to stop, and did after `step` of `steps`, with a checkpoint if any are kept."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"stopped after step {step:,} of {steps:,}")
        self.step, self.steps = step, steps


class StopSignals:
    """Within its `with` block, the first SIGINT or SIGTERM only sets `asked`; the next one acts as ever.

    patient  whether further ones do nothing: torchrun sends several, and SIGKILL when it no longer waits

    Outside of the main thread, where Python does not take signals, it does nothing.
    """

    asked: int = 0
    """The signal's number."""

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient

    def __enter__(self) -> Self:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {one: signal.signal(one, self._ask) for one in SIGNALS}
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
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._before = {}
