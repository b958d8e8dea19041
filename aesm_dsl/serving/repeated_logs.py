"""`RepeatedLogs`: a filter that writes a message that repeats once a minute, with its count."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

SECONDS = 60.0
"""How often a message that repeats is written."""

MOST_KINDS = 100
"""So many kinds of messages are told apart, so that the memory of them stays small."""


class RepeatedLogs(logging.Filter):
    """Lets one message of a kind through in so many seconds; the next one tells how many were left out."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._written: dict[tuple[str, type | None], tuple[float, int]] = {}  # when, and how many since then

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.msg, record.exc_info[0] if record.exc_info else None
        now = monotonic()
        when, left_out = self._written.get(kind, (float("-inf"), 0))
        if now - when < self._seconds:
            self._written[kind] = when, left_out + 1
            return False
        if len(self._written) >= MOST_KINDS:
            self._written.clear()
        self._written[kind] = now, 0
        if left_out:
            record.msg = f"{record.getMessage().strip()} ({left_out:,} more of these since the last one)"
            record.args = ()
        return True


@contextmanager
def repeated_once(loggers: Sequence[str], seconds: float = SECONDS) -> Iterator[None]:
    """Writes what these loggers repeat once in so many seconds."""
    repeated = RepeatedLogs(seconds)
    for name in loggers:
        logging.getLogger(name).addFilter(repeated)
    try:
        yield
    finally:
        for name in loggers:
            logging.getLogger(name).removeFilter(repeated)
