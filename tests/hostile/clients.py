"""Clients that ask what is known, many at once: how many answers are right, and how long they take."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from tests.hostile.requests import Asked, KnownRows

TIMEOUT_S = 60.0
RETRY_S = 0.2
"""How long a client waits that is told that the server is full."""


@dataclass
class Tally:
    """What became of requests."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """right, wrong, swapped (the answer to another request), dropped (no answer), refused (503, asked again)."""
    seconds: list[float] = field(default_factory=list)
    """How long each right answer took, from the first time it was asked for."""

    def milliseconds(self, percent: float) -> float:
        return 1e3 * float(np.percentile(self.seconds, percent)) if self.seconds else float("nan")


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Returns status, header and body of the next answer that is no `100 Continue`."""
    status, lines = 100, list[str]()
    while status == 100:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        status = int(first.split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return status, headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def _exchange(connection: _Connection, asked: Asked) -> tuple[int, dict[str, str], bytes]:
    connection.writer.write(asked.head)
    connection.writer.write(asked.body)
    if asked.half_close:
        connection.writer.write_eof()
    return await read_answer(connection.reader)


async def client(
    port: int, known: KnownRows, tally: Tally, numbers: range, stopping: Callable[[], bool] = lambda: False
) -> None:
    """Asks each of these requests until it is answered.

    Args:
        port: where the server listens.
        known: makes the requests, and knows their answers.
        tally: counts what becomes of them.
        numbers: which requests.
        stopping: whether the server was told to stop: a refused connection then ends the client.
    """
    connection: _Connection | None = None
    for number in numbers:
        asked = known.asked(number)
        began = perf_counter()
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if connection is None:
                        connection = _Connection(*await asyncio.open_connection("127.0.0.1", port))
                    status, headers, body = await _exchange(connection, asked)
            except ConnectionRefusedError:
                if not stopping():
                    tally.outcomes["dropped"] += 1
                return
            except (OSError, EOFError, TimeoutError) as error:
                # Between two requests a server that stops may close a connection: nothing was promised on it.
                between = isinstance(error, EOFError | ConnectionError) and stopping() and connection is not None
                tally.outcomes["closed" if between else "dropped"] += 1
                connection = None
                if between:
                    return
                break
            if asked.half_close or headers.get("connection") == "close":
                connection.writer.close()
                connection = None
            if status == 503 != asked.status:
                tally.outcomes["refused"] += 1
                await asyncio.sleep(RETRY_S)
                continue
            outcome = known.right(asked, status, body)
            tally.outcomes[outcome] += 1
            if outcome == "right":
                tally.seconds.append(perf_counter() - began)
            break
    if connection is not None:
        connection.writer.close()


async def clients(
    port: int,
    known: KnownRows,
    *,
    count: int,
    requests: int,
    first: int = 0,
    stopping: Callable[[], bool] = lambda: False,
) -> Tally:
    """Returns what becomes of the requests of so many clients at once, each with so many requests."""
    tally = Tally()
    numbers = [range(first + one * requests, first + (one + 1) * requests) for one in range(count)]
    await asyncio.gather(*(client(port, known, tally, some, stopping) for some in numbers))
    return tally
