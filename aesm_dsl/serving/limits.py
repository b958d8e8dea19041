"""`Limits`: how much a server accepts and how long it waits; docs/limits.md lists the same numbers."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

DESCRIPTOR_FOLDERS = ("/proc/self/fd", "/dev/fd")
"""Where systems list what the process has open: Linux, macOS."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server accepts, and how long it waits."""

    header_bytes: int = 16 * 2**10
    """The largest header of one request."""
    body_bytes: int = 8 * 2**20
    """The largest body of one request."""
    all_bytes: int = 64 * 2**20
    """The largest size of the bodies of all requests together that are being answered."""
    large_bytes: int = 2**20
    """A larger body waits for its turn: what JSON becomes in memory may be many times as large."""
    large_at_once: int = 2
    """So many of them are read at a time."""
    request_rows: int = 10_000
    """The most rows of one request."""
    batch_rows: int = 1024
    """The most rows of several requests that are scored together."""
    queue_rows: int = 50_000
    """The most rows that may wait to be scored."""
    connections: int = 512
    """The most connections that are served at the same time."""
    wait_s: float = 0.0
    """How long rows wait for others to be scored with, in seconds."""
    header_s: float = 10.0
    """How long a header may take to arrive, in seconds."""
    body_s: float = 5.0
    """How long a body may take to arrive, in seconds."""
    answer_s: float = 10.0
    """How long the answer may take from then on, in seconds."""
    send_s: float = 10.0
    """How long a client may leave its answer unread, in seconds."""
    idle_s: float = 30.0
    """How long a connection may stay open between two requests, in seconds."""
    yield_s: float = 2.0
    """How long a connection without a request stays open at least when others need its place, in seconds."""
    linger_s: float = 10.0
    """How long the rest of a request is read and dropped after its answer, in seconds."""
    linger_bytes: int = 256 * 2**20
    """How much of it is read and dropped."""
    stop_s: float = 0.5
    """How long a connection without a request stays open once the server stops, in seconds."""

    @property
    def last_answers_s(self) -> int:
        """How long a server that stops waits for its last answers, in seconds: as long as one may take."""
        return math.ceil(self.body_s + self.answer_s + self.send_s)

    @property
    def refused(self) -> int:
        """How many connections beyond `connections` are open to be told so; yet more wait until one is free."""
        return 1 + self.connections // 8

    def within_descriptors(self) -> Limits:
        """Returns these limits, with connections for no more than half of the descriptors that the process may open."""
        free = free_descriptors()
        return self if free is None else replace(self, connections=max(0, min(self.connections, free // 2)))


def free_descriptors() -> int | None:
    """Returns how many files and connections this process may still open; None if the system does not say."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    folder = next((Path(path) for path in DESCRIPTOR_FOLDERS if Path(path).is_dir()), None)
    if most == resource.RLIM_INFINITY or folder is None:
        return None
    return most - len(os.listdir(folder))
