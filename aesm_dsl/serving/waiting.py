"""`WaitingConnections`: the connections of a server that wait for a request, of which one may give up its place."""

from __future__ import annotations

import select
from itertools import chain
from time import monotonic
from typing import Protocol


class GivesUp(Protocol):
    """A connection that can be closed."""

    def descriptor(self) -> int:
        """Its descriptor; below 0 if it is closed."""

    def give_up(self) -> None:
        """Closes it."""


class WaitingConnections:
    """Connections without a request, each with the time since when it has waited."""

    def __init__(self, yield_s: float) -> None:
        """Makes an empty collection.

        Args:
            yield_s: how long a connection may keep its place at least, in seconds.
        """
        self._yield_s = yield_s
        # By age, as dicts keep the order of insertion. Whoever has asked before will rather ask again.
        self._never_asked: dict[GivesUp, float] = {}
        self._asked: dict[GivesUp, float] = {}

    def add(self, connection: GivesUp, *, asked: bool) -> None:
        """Notes that a connection waits from now on; `asked` if it had a request before."""
        self.discard(connection)
        (self._asked if asked else self._never_asked)[connection] = monotonic()

    def discard(self, connection: GivesUp) -> None:
        """Forgets a connection that waits no more."""
        self._never_asked.pop(connection, None)
        self._asked.pop(connection, None)

    def make_room(self) -> bool:
        """Whether a connection gave up its place: one that has waited long, and has sent nothing that is unread."""
        latest = monotonic() - self._yield_s
        for connection, since in chain(self._never_asked.items(), self._asked.items()):
            if since < latest and not _unread(connection.descriptor()):
                self.discard(connection)
                connection.give_up()
                return True
        return False


def _unread(descriptor: int) -> bool:
    if descriptor < 0 or not hasattr(select, "poll"):  # Windows has none
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
