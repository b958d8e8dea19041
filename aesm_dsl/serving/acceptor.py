"""`AcceptingServer`: uvicorn's server, which accepts no more connections than it may, and pauses when it cannot accept.

When a process has no descriptors left, asyncio's own way of accepting tries a thousand times at once, writes a
traceback each time, and does the same again for each of them a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from typing import Any

import uvicorn

from aesm_dsl.serving.repeated_logs import repeated_once
from aesm_dsl.serving.waiting import WaitingConnections

PAUSE_S = 0.5
"""How long no connection is accepted after one could not be, in seconds."""

FULL_S = 0.05
"""How often a full server looks whether a connection has become free, in seconds."""

LOGGERS = ("uvicorn.error", "asyncio")
"""The logs of what goes wrong in a server."""

logger = logging.getLogger("uvicorn.error")


class AcceptingServer(uvicorn.Server):
    """A server that accepts connections itself; `run` takes the listening sockets."""

    def __init__(self, config: uvicorn.Config, most: int, waiting: WaitingConnections) -> None:
        """Makes a server.

        Args:
            config: uvicorn's settings.
            most: the most connections that are open at a time.
            waiting: those that may give up their place if there are more.
        """
        super().__init__(config)
        self._most, self._waiting = most, waiting
        self._listening: list[socket.socket] = []
        self._connecting: set[asyncio.Task[None]] = set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        with repeated_once(LOGGERS):
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if sys.platform == "win32":  # its event loop does not say when a socket can accept
            await super().startup(sockets)
            return
        await super().startup([])
        self._listening = sockets or []
        for listening in self._listening:
            listening.setblocking(False)
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self._listening:
            self._accept(listening)  # clients that came before the end may have sent a request
            asyncio.get_running_loop().remove_reader(listening)
        self._listening = []
        await asyncio.gather(*self._connecting)
        await super().shutdown(sockets)

    def _accept(self, listening: socket.socket) -> None:
        """Accepts the connections that wait, as far as there is room."""
        while self._has_room():
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:  # this client has left, others may wait
                continue
            except OSError as error:
                logger.warning("connections wait, and none can be accepted: %s", error.strerror)
                self._pause(listening, FULL_S if self._waiting.make_room() else PAUSE_S)
                return
            task = asyncio.create_task(self._connect(accepted))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        self._pause(listening, FULL_S)

    def _has_room(self) -> bool:
        count = len(self.server_state.connections) + len(self._connecting)
        return count < self._most or self._waiting.make_room()

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(seconds, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        connection: Any = self.config.http_protocol_class
        given = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        with contextlib.suppress(OSError):  # the client has left
            await loop.connect_accepted_socket(lambda: connection(**given, _loop=loop), accepted)
