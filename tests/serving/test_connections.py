"""Connections of a server: how long they may take, how many there may be, and that no answer is lost with one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import logging
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, Spec, train
from aesm_dsl.api.serve import serve
from aesm_dsl.serving.engine import Engine, torch_engine
from aesm_dsl.serving.limits import Limits
from aesm_dsl.serving.repeated_logs import RepeatedLogs
from aesm_dsl.serving.waiting import WaitingConnections
from aesm_dsl.training.run.folder import Run
from tests.hostile import attacks
from tests.hostile.clients import clients
from tests.hostile.requests import COLUMNS, SPEC, KnownRows, chunked, head
from tests.serving.bodies import INFER, body_of
from tests.serving.conftest import table_of
from tests.serving.test_server import ask, counted, served

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    spec = Spec.parse(SPEC.replace("30 steps", "2 steps"))
    return train(spec, tmp_path_factory.mktemp("hostile") / "run", data=table_of(300, 1), device="cpu")


@pytest.fixture(scope="module")
def engine(run: Run) -> Engine:
    return torch_engine(run, torch.device("cpu"))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return table_of(30, 12).select(COLUMNS)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def read_all(connection: socket.socket) -> bytes:
    """What still comes until the server closes."""
    with connection.makefile("rb") as stream:
        return stream.read()


def flood(connection: socket.socket, sent: bytes, pause_s: float = 0) -> None:
    """Sends the same again and again, until the server has closed."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while True:
            connection.sendall(sent)
            time.sleep(pause_s)


def read_one(connection: socket.socket) -> bytes:
    """The next answer of a few bytes."""
    said = b""
    while b"}" not in said:
        part = connection.recv(10_000)
        assert part, said
        said += part
    return said


def test_a_header_has_its_time_and_so_has_silence(engine: Engine) -> None:
    with served(engine, Limits(header_s=0.2, idle_s=0.2)) as port, contextlib.ExitStack() as open_ones:
        silent, half, dripping, again, idle = (open_ones.enter_context(connect(port)) for _ in range(5))
        for one in (half, dripping):
            one.sendall(attacks.HALF_HEADER)
        for one in (again, idle):
            one.sendall(LIVE)
            assert read_one(one).startswith(b"HTTP/1.1 200")
        again.sendall(attacks.HALF_HEADER)  # of its second request

        flood(dripping, b"x", pause_s=0.01)
        for one in (silent, half, again, idle):
            assert read_all(one) == b""


def test_a_client_that_does_not_read_is_left(
    engine: Engine, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, small = body_of(rows[[0] * 3000]), socket.create_server(("127.0.0.1", 0))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**12)
    monkeypatch.setattr("tests.serving.test_server.listen", lambda *_: small)
    with served(engine, Limits(send_s=0.2, body_s=120, answer_s=120, linger_s=0.2)) as port:
        with connect(port) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
            flood(deaf, head(len(body)) + body)  # whose answers it leaves unread
        assert ask(port, "/v2/health/live")[0] == 200


def too_large(limit: int) -> dict[str, tuple[bytes, bytes, int]]:
    """Requests that are refused before their end: header, body, status."""
    body = b" " * (40 * limit)
    packed = gzip.compress(b" " * (limit + 1), 1)
    return {
        "length": (head(len(body)), body, 413),
        "chunked": (head(None), chunked(body, 2**16), 413),
        "expect": (head(len(body), "Expect: 100-continue"), body, 413),
        "gzip": (head(len(packed), "Content-Encoding: gzip"), packed, 413),
        "gzip, chunked": (head(None, "Content-Encoding: gzip"), chunked(packed, 100), 413),
        "encoding": (head(len(body), "Content-Encoding: br"), body, 415),
        "path": (head(len(body), path="/v2/other"), body, 404),
        "method": (head(len(body), method="PUT"), body, 405),
        "one byte more": (head(limit + 1), b" " * (limit + 1), 413),
        "header": (b"GET / HTTP/1.1\r\nX: " + body, b"", 400),
    }


def test_who_sends_too_much_can_read_the_answer(engine: Engine, rows: pl.DataFrame) -> None:
    """By clients that send all of it before they read, and several at once."""
    limit = 500_000

    def status(sent: bytes) -> int | str:
        return attacks.send_then_read(port, sent)

    with served(engine, Limits(body_bytes=limit, body_s=120, answer_s=120, linger_s=120)) as port:
        forms = too_large(limit)
        with ThreadPoolExecutor(len(forms)) as several:
            found = list(several.map(status, [start + body for start, body, _ in forms.values()]))
        assert dict(zip(forms, found, strict=True)) == {name: status for name, (_, _, status) in forms.items()}
        assert ask(port, INFER, body_of(rows))[0] == 200
        assert counted(port, 'aesm_requests_total{status="413"}') == 6


def test_nothing_is_asked_for_that_is_too_large(engine: Engine) -> None:
    with served(engine, Limits(body_bytes=1000)) as port, connect(port) as client:
        client.sendall(head(1001, "Expect: 100-continue"))
        assert client.recv(1000).startswith(b"HTTP/1.1 413")
    with served(engine, Limits(body_bytes=1000)) as port, connect(port) as client:
        client.sendall(head(2, "Expect: 100-continue"))
        assert client.recv(1000).startswith(b"HTTP/1.1 100")


def test_what_is_read_after_an_answer_has_a_bound(engine: Engine) -> None:
    with served(engine, Limits(body_bytes=1000, linger_bytes=10**6, linger_s=120)) as port, connect(port) as client:
        client.sendall(head(10**9))
        flood(client, b" " * 10**6)
    with served(engine, Limits(body_bytes=1000, linger_s=0.1)) as port, connect(port) as client:
        client.sendall(head(10**9))
        assert read_all(client).startswith(b"HTTP/1.1 413")  # its end is announced at once
        flood(client, b" ")


def test_a_client_may_close_its_side(engine: Engine, rows: pl.DataFrame) -> None:
    body = body_of(rows)
    with served(engine, Limits(body_s=120, answer_s=120)) as port:
        with connect(port) as client:
            client.sendall((head(len(body)) + body) * 3)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client).count(b"HTTP/1.1 200") == 3
        for start in (b"", attacks.HALF_HEADER, head(len(body)) + body[:-1]):
            with connect(port) as client:
                client.sendall(start)
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b""


def test_what_is_no_http_is_told_and_fills_no_log(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with served(engine, Limits(linger_s=120)) as port, logged(caplog):
        for _ in range(2):
            for name, sent in attacks.GARBAGE.items():
                with connect(port) as client:
                    client.sendall(sent)
                    said = read_one(client)
                    assert said.startswith(b"HTTP/1.1 "), name
                    if said.startswith(b"HTTP/1.1 400"):
                        assert b'{"error":' in said, name
        assert counted(port, 'aesm_requests_total{status="400"}') >= 2 * 13
    assert len(caplog.records) <= 4
    assert not any(record.exc_info for record in caplog.records)


@contextlib.contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Catches what the server logs; uvicorn passes it to no other log."""
    log = logging.getLogger("uvicorn.error")
    log.addHandler(caplog.handler)
    yield
    log.removeHandler(caplog.handler)


class _NoDescriptors(socket.socket):
    """A listening socket that cannot accept for a while."""

    failures = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures > 0:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_descriptors_connections_wait(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aesm_dsl.serving.acceptor.PAUSE_S", 0.01)
    few = _NoDescriptors(socket.AF_INET, socket.SOCK_STREAM)
    few.bind(("127.0.0.1", 0))
    few.listen(100)
    monkeypatch.setattr("tests.serving.test_server.listen", lambda *_: few)
    with served(engine, Limits()) as port, logged(caplog):
        few.failures = 20
        assert ask(port, "/v2/health/live")[0] == 200
    assert few.failures == 0
    said = [record.getMessage() for record in caplog.records]
    assert said == ["connections wait, and none can be accepted: Too many open files"]


@contextlib.contextmanager
def descriptors(free: int) -> Iterator[None]:
    """The process may open so many more."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + free, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def test_half_of_the_descriptors_are_for_connections(run: Run) -> None:
    assert Limits(connections=7).within_descriptors() == Limits(connections=7)
    with descriptors(100):
        assert 45 <= Limits().within_descriptors().connections <= 55
    with descriptors(12), pytest.raises(AesmError, match=r"E632(.|\n)*too few files(.|\n)*ulimit -n 1024"):
        serve(run, port=0, device="cpu")


def test_who_waits_gives_its_place_to_who_asks(engine: Engine) -> None:
    with served(engine, Limits(connections=3, yield_s=0)) as port, contextlib.ExitStack() as open_ones:
        silent = [open_ones.enter_context(connect(port)) for _ in range(8)]
        assert ask(port, "/v2/health/live")[0] == 200
        assert all(read_all(one) == b"" for one in silent[:4])


class _Waits:
    """A connection that waits, with what its client has sent but nobody has read."""

    def __init__(self, sent: bytes = b"") -> None:
        self.given_up = False
        self._socket, self._client = socket.socketpair()
        self._client.sendall(sent)

    def descriptor(self) -> int:
        return self._socket.fileno()

    def give_up(self) -> None:
        self.given_up = True
        self._socket.close()


def test_who_has_asked_before_keeps_its_place_longest() -> None:
    waiting = WaitingConnections(yield_s=0)
    asked, asks, first, second, gone = _Waits(), _Waits(b"GET"), _Waits(), _Waits(), _Waits()
    waiting.add(asked, asked=True)
    for one in (asks, first, second, gone):
        waiting.add(one, asked=False)
    waiting.discard(gone)
    time.sleep(0.001)
    for expected in ([first], [first, second], [first, second, asked]):
        assert waiting.make_room()
        assert [one for one in (asked, asks, first, second, gone) if one.given_up] == [
            one for one in (asked, first, second) if one in expected
        ]
    assert not waiting.make_room()
    assert not WaitingConnections(yield_s=3600).make_room()
    patient = WaitingConnections(yield_s=3600)
    patient.add(_Waits(), asked=False)
    assert not patient.make_room()


def test_a_request_on_its_way_is_answered_when_the_server_stops(engine: Engine, rows: pl.DataFrame) -> None:
    body = body_of(rows)
    with contextlib.ExitStack() as open_ones:
        with served(engine, Limits(stop_s=120, body_s=120, answer_s=120)) as port:
            new, half, used = (open_ones.enter_context(connect(port)) for _ in range(3))
            half.sendall(head(len(body))[:20])
            used.sendall(LIVE)
            assert read_one(used).startswith(b"HTTP/1.1 200")

            def go_on() -> list[bytes]:
                while not _refuses(port):
                    time.sleep(0.01)
                for one, sent in ((new, head(len(body))), (half, head(len(body))[20:]), (used, head(len(body)))):
                    one.sendall(sent + body)
                return [read_all(one) for one in (new, half, used)]

            thread = ThreadPoolExecutor(1)
            said = thread.submit(go_on)
        assert all(one.startswith(b"HTTP/1.1 200") and b"onnection: close" in one for one in said.result(60))
        thread.shutdown()


def _refuses(port: int) -> bool:
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_message_that_repeats_is_counted() -> None:
    def record(text: str, *words: object) -> logging.LogRecord:
        return logging.LogRecord("log", logging.WARNING, "", 0, text, words, None)

    slow, quick = RepeatedLogs(3600), RepeatedLogs(0)
    assert [slow.filter(record("lost %s", number)) for number in range(3)] == [True, False, False]
    assert slow.filter(record("found"))
    slow._seconds = 0
    last = record("lost %s", 3)
    assert slow.filter(last)
    assert last.getMessage() == "lost 3 (2 more of these since the last one)"
    assert all(quick.filter(one := record("lost")) and one.getMessage() == "lost" for _ in range(2))


def test_good_clients_among_hostile_ones(engine: Engine, rows: pl.DataFrame) -> None:
    """All attacks of tests/hostile at once: every answer is right, and the server leaves with nothing open."""

    def infer(body: bytes) -> dict[str, Any]:
        status, said = ask(port, INFER, body)
        assert status == 200
        return said  # type: ignore[no-any-return]

    limits = Limits(
        header_s=2, body_s=2, send_s=0.5, linger_s=2, stop_s=0.1, answer_s=60, connections=60, body_bytes=2**20
    )
    with served(engine, limits) as port:
        known = KnownRows(rows, infer)
        every = [
            attacks.slow(attacks.HALF_HEADER, b"x", 30, every_s=0.2),
            attacks.slow(head(1000) + b"{", b" ", 5, every_s=0.2),
            attacks.silent(20),
            attacks.half_closed(3),
            attacks.big_bodies(2, 4 * 2**20),
            attacks.garbage(2),
            attacks.leaving(2, body_of(rows[[0] * 2000])),
        ]

        async def together() -> Any:
            stop = asyncio.Event()
            bad = [asyncio.create_task(attack(port, stop)) for attack in every]
            tally = await clients(port, known, count=8, requests=4)
            stop.set()
            return tally.outcomes, await asyncio.gather(*bad)

        outcomes, seen = asyncio.run(together())
    assert outcomes["right"] == 32, outcomes
    assert set(outcomes) <= {"right", "refused"}
    assert not [name for name in seen[4] if name not in ("read", "refused")]
