"""What clients that mean harm do, until they are stopped, and what they saw."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import itertools
import multiprocessing
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection
from time import monotonic

from tests.hostile.clients import TIMEOUT_S, read_answer
from tests.hostile.requests import chunked, head

Stop = asyncio.Event
Attack = Callable[[int, Stop], Awaitable[Counter[str]]]
"""Takes the port, and runs until it is told to stop. Returns what was seen, and how often."""

Judge = Callable[[int, bytes], str]
"""Takes the status and the body of an answer. Returns what it is: right, wrong, swapped."""

FAILED = (OSError, EOFError, TimeoutError)

POST = b"POST /v2/models/kinds/infer HTTP/1.1\r\nHost: x\r\n"
HALF_HEADER = POST + b"X-Slow: "
CHUNKS = b"Transfer-Encoding: chunked\r\n"

GARBAGE = {
    "no http": b"hello\r\n\r\n",
    "binary": bytes(range(256)) * 8,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version": b"GET / HTTP/9.9x\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\n y\r\nA\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "no length": POST + b"Content-Length: -1\r\n\r\nabcd",
    "endless length": POST + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n",
    "no chunk": POST + CHUNKS + b"\r\nzz\r\nabc",
    "no chunk after an answer": b"POST / HTTP/1.1\r\nHost: x\r\n" + CHUNKS + b"\r\nzz\r\nabc",
    "length and chunks": POST + b"Content-Length: 3\r\n" + CHUNKS + b"\r\n0\r\n\r\n",
    "encoding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "target": b"GET /%ff%00/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "websocket": b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
}
"""Requests that are none, and some that are only odd."""


async def _repeat(count: int, stop: Stop, turn: Callable[[Counter[str]], Awaitable[None]]) -> Counter[str]:
    """Runs turns one after the other in so many clients at once; what remains after the stop is cancelled."""
    seen: Counter[str] = Counter()

    async def one() -> None:
        while not stop.is_set():
            with contextlib.suppress(*FAILED):
                await turn(seen)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


@contextlib.asynccontextmanager
async def _connected(port: int):  # type: ignore[no-untyped-def]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


class Running:
    """An attack in a process of its own, so that good clients are not kept waiting by the bad ones' work."""

    def __init__(self, attack: Attack, port: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_run, args=(attack, port, other), daemon=True)
        self._process.start()
        other.close()

    def stop(self) -> Counter[str]:
        """Returns what it saw."""
        self._pipe.send("stop")
        seen: Counter[str] = self._pipe.recv()
        self._process.join()
        return seen


def _run(attack: Attack, port: int, pipe: Connection) -> None:
    async def run() -> Counter[str]:
        stop = Stop()
        asyncio.get_running_loop().add_reader(pipe.fileno(), stop.set)
        return await attack(port, stop)

    pipe.send(asyncio.run(run()))


def slow(start: bytes, more: bytes, count: int, every_s: float = 1.0) -> Attack:
    """Returns an attack that sends the start of a request, and the rest byte by byte."""

    async def attack(port: int, stop: Stop) -> Counter[str]:
        longest = 0.0

        async def turn(seen: Counter[str]) -> None:
            nonlocal longest
            async with _connected(port) as (reader, writer):
                began = monotonic()
                writer.write(start)
                answer = asyncio.ensure_future(reader.read(2000))
                try:
                    while not answer.done():
                        await asyncio.wait({answer}, timeout=every_s)
                        writer.write(more)
                    said = answer.result()
                    longest = max(longest, monotonic() - began)
                    seen[said[9:12].decode() if said else "closed"] += 1
                except ConnectionError:
                    seen["reset"] += 1
                finally:
                    answer.cancel()

        seen = await _repeat(count, stop, turn)
        seen["longest, s"] = round(longest)
        return seen

    return attack


def silent(count: int) -> Attack:
    """Returns an attack that opens as many connections and says nothing."""

    async def attack(port: int, stop: Stop) -> Counter[str]:
        async def turn(seen: Counter[str]) -> None:
            async with _connected(port) as (reader, _):
                seen["opened"] += 1
                await reader.read()

        return await _repeat(count, stop, turn)

    return attack


def half_closed(count: int) -> Attack:
    """Returns an attack that ends its side at once, in a header, and in a body."""

    async def attack(port: int, stop: Stop) -> Counter[str]:
        async def turn(seen: Counter[str]) -> None:
            for start in (b"", HALF_HEADER, head(1000) + b"{"):
                async with _connected(port) as (reader, writer):
                    writer.write(start)
                    writer.write_eof()
                    seen["answered" if await asyncio.wait_for(reader.read(), TIMEOUT_S) else "closed"] += 1

        return await _repeat(count, stop, turn)

    return attack


def garbage(count: int) -> Attack:
    """Returns an attack that sends what is no HTTP, and odd HTTP."""

    async def attack(port: int, stop: Stop) -> Counter[str]:
        async def turn(seen: Counter[str]) -> None:
            for name, sent in GARBAGE.items():
                async with _connected(port) as (reader, writer):
                    try:
                        writer.write(sent)
                        await writer.drain()
                        status, _, _ = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
                        seen[str(status)] += 1
                    except FAILED as error:
                        seen[f"{name}: {type(error).__name__}"] += 1

        return await _repeat(count, stop, turn)

    return attack


def leaving(count: int, body: bytes) -> Attack:
    """Returns an attack that leaves without its answer, politely and not, or reads none of many answers."""

    async def attack(port: int, stop: Stop) -> Counter[str]:
        async def turn(seen: Counter[str]) -> None:
            for reset in (False, True):
                async with _connected(port) as (_, writer):
                    connection = writer.get_extra_info("socket")
                    if reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.write(head(len(body)) + body)
                    await writer.drain()
                    seen["left"] += 1
            async with _connected(port) as (_, writer):
                writer.transport.pause_reading()
                writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
                began = monotonic()
                with contextlib.suppress(ConnectionError):
                    for _ in range(200):
                        writer.write(head(len(body)) + body)
                        await writer.drain()
                    while not writer.is_closing() and monotonic() - began < TIMEOUT_S:
                        await asyncio.sleep(0.1)
                        writer.write(b"G")
                        await writer.drain()
                seen["never read"] += 1

        return await _repeat(count, stop, turn)

    return attack


def big_bodies(count: int, size: int) -> Attack:
    """Returns an attack with bodies of `size` bytes in every form, sent whole before the answer is read."""
    body = b" " * size
    packed = gzip.compress(body, 1)
    forms = {
        "length": (head(size), body),
        "chunked": (head(None), chunked(body, 2**16)),
        "gzip": (head(len(packed), "Content-Encoding: gzip"), packed),
        "expect": (head(size, "Expect: 100-continue"), body),
        "other path": (head(size, path="/v2/other"), body),
    }

    async def attack(port: int, stop: Stop) -> Counter[str]:
        async def turn(seen: Counter[str]) -> None:
            for name, (start, sent) in forms.items():
                status = await asyncio.to_thread(send_then_read, port, start + sent)
                expected = {"other path": 404}.get(name, 413)
                seen["read" if status == expected else "refused" if status == 503 else f"{name}: {status}"] += 1

        return await _repeat(count, stop, turn)

    return attack


def send_then_read(port: int, sent: bytes) -> int | str:
    """The status of the answer, read by a client that writes to the end first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
            return answer.status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def pipelined(count: int, turns: Sequence[tuple[bytes, Sequence[Judge]]]) -> Attack:
    """Returns an attack that sends many requests at once on a connection, and half-closes it.

    Args:
        count: how many clients.
        turns: for each connection the requests, and what judges their answers by status and body.
    """

    async def attack(port: int, stop: Stop) -> Counter[str]:
        places = itertools.cycle(range(len(turns)))

        async def turn(seen: Counter[str]) -> None:
            sent, judges = turns[next(places)]
            async with _connected(port) as (reader, writer):
                try:
                    writer.write(sent)
                    writer.write_eof()
                    for judge in judges:
                        status, _, body = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
                        seen[judge(status, body)] += 1
                except FAILED as error:
                    seen[f"dropped: {type(error).__name__}"] += 1

        return await _repeat(count, stop, turn)

    return attack
