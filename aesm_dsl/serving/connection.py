"""`LimitedConnection`: uvicorn's HTTP/1.1 connection with the limits that it lacks, and a close that loses no answer.

uvicorn waits for ever for the rest of a header and for a client that does not read. It also closes a connection while
the client still sends: the system then resets it, and the answer on its way (413, say) is lost. Here such a connection
lingers: its end is announced, and what still arrives is read and dropped for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from starlette.responses import JSONResponse
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from aesm_dsl.serving.limits import Limits
from aesm_dsl.serving.waiting import WaitingConnections

WHOLE = (h11.IDLE, h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
"""What a client's side of a connection is in when every request that has begun was read to its end."""


class _Transport(asyncio.Transport):
    """A transport whose `close` leaves it to the connection how to close."""

    def __init__(self, inner: asyncio.Transport, on_close: Callable[[], None]) -> None:
        super().__init__()
        self._inner, self._on_close, self._closed = inner, on_close, False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closed or self._inner.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._closed = True
            self._on_close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._inner.write(data)

    def pause_reading(self) -> None:
        if not self.is_closing():
            self._inner.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_closing():
            self._inner.resume_reading()


class LimitedConnection(H11Protocol):
    """A connection that is closed when it takes too long; uvicorn makes one for every client."""

    def __init__(
        self, limits: Limits, waiting: WaitingConnections, refuse: Any, on_malformed: Callable[[], None], **given: Any
    ) -> None:
        """Makes a connection.

        Args:
            limits: the limits to keep.
            waiting: the connections without a request, which this one joins.
            refuse: the ASGI application that answers on connections beyond the limit.
            on_malformed: called for each request that is no HTTP.
            given: what uvicorn passes to its own class.
        """
        super().__init__(**given)
        self._limits, self._waiting, self._refuse, self._on_malformed = limits, waiting, refuse, on_malformed
        self._inner: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None  # closes the connection
        self._reading_header = True
        self._stopping = False  # the server stops
        self._half_closed = False  # the client sends nothing more
        self._dropped_bytes = 0

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._inner = transport
        super().connection_made(_Transport(transport, self._close))
        if len(self.connections) > self._limits.connections and not self._waiting.make_room():
            self.app = self._refuse
        self._abort_in(self._limits.header_s)
        self._waiting.add(self, asked=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.discard(self)
        self._abort_in(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self._limits.linger_bytes:
                self._inner.abort()
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._busy:
            self._waiting.discard(self)
            if self._reading_header:
                self._reading_header = False
                self._abort_in(None)
            if self._stopping:
                self._end_with_answer()
        elif not self._reading_header:  # from the first byte on, however slowly the others follow
            self._reading_header = True
            self._abort_in(self._limits.header_s)

    def descriptor(self) -> int:
        return int(self.transport.get_extra_info("socket").fileno())

    def give_up(self) -> None:
        self._inner.abort()
        self.connections.discard(self)  # else it would count until the event loop turns

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Whether the connection stays open: a client that has sent all may close its side and wait for the answer."""
        if self._busy and not self.cycle.more_body and not self.transport.is_closing():
            self._half_closed = True
            return True
        return None

    def on_response_complete(self) -> None:
        self._waiting.add(self, asked=True)
        super().on_response_complete()
        if self._busy:  # with a request that came together with the one before
            self._waiting.discard(self)
        elif self._half_closed:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, if no other answer has begun, and closes the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._on_malformed()
            most = f"{self._limits.header_bytes:,} bytes"
            answer = JSONResponse({"error": f"this is no HTTP/1.1, or its header is larger than {most}"}, 400)
            headers = [*answer.raw_headers, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self._busy:  # its body cannot be read further
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def shutdown(self) -> None:
        """Lets a request be answered that runs, or is on its way, then closes the connection: the server stops."""
        self._stopping = True
        if self._busy:
            self._end_with_answer()
        elif not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._reading_header = True
            self._abort_in(self._limits.stop_s)

    def _end_with_answer(self) -> None:
        self.cycle.keep_alive = False
        self.headers.append(CLOSE_HEADER)  # as if the client had asked for it: the answer says so

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self.transport.is_closing():
            self._abort_in(self._limits.send_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._abort_in(self._limits.header_s if self._reading_header else None)

    def _close(self) -> None:
        """Closes at once if the whole request was read, or else lingers; never for longer than its time."""
        self._abort_in(self._limits.linger_s)
        if self.conn.their_state in WHOLE and not self.conn.trailing_data[0]:
            self._inner.close()
            return
        try:
            self._inner.write_eof()
        except OSError:  # the client has left
            self._inner.abort()
        else:
            self._inner.resume_reading()

    def _abort_in(self, seconds: float | None) -> None:
        """Sets the only timer of the connection anew."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._inner.abort)
