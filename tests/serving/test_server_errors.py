"""`aesm serve`: what it answers where it gives no scores, and that it counts this; compressed bodies; its URL."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.serving.engine import Engine, torch_engine
from aesm_dsl.serving.limits import Limits
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT
from tests.serving.bodies import INFER, body_of
from tests.serving.conftest import table_of
from tests.serving.test_server import ask, counted, served


@pytest.fixture(scope="module")
def engine(kinds: Run) -> Engine:
    return torch_engine(kinds, torch.device("cpu"))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return table_of(40, 12).drop("click", "buy")


def headers_of(port: int, method: str, path: str) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), json.loads(answer.read())
    finally:
        connection.close()


def test_a_failure_inside_stays_with_its_request(engine: Engine, rows: pl.DataFrame) -> None:
    def score(batch: Batch) -> Any:
        if batch.rows == 17:
            raise RuntimeError("out of memory")
        return engine.score(batch)

    odd = Engine("odd", engine.plan, engine.encoders, score)
    with served(odd, Limits(body_s=120, answer_s=120)) as port:
        answers = [ask(port, INFER, body_of(rows.head(count))) for count in (5, 17, 5)]
        assert [status for status, _ in answers] == [200, 500, 200]
        assert answers[1][1] == {"error": "the server failed; its log says why"}
        assert counted(port, 'aesm_requests_total{status="500"}') == 1
        assert counted(port, 'aesm_requests_total{status="200"}') == 2


def until(true: Callable[[], bool]) -> None:
    """Waits for what a server has to come to."""
    latest = time.monotonic() + 60
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.01)


def test_a_failure_among_others_is_that_of_its_request_alone(engine: Engine, rows: pl.DataFrame) -> None:
    free, together = threading.Event(), list[int]()

    def score(batch: Batch) -> Any:
        free.wait(60)
        together.append(batch.rows)
        if batch.rows >= 17:  # the request of 17 rows, alone or with others
            raise RuntimeError("out of memory")
        return engine.score(batch)

    odd = Engine("odd", engine.plan, engine.encoders, score)
    with served(odd, Limits(body_s=120, answer_s=120)) as port, ThreadPoolExecutor(4) as clients:
        first = clients.submit(ask, port, INFER, body_of(rows.head(1)))
        # It is being scored, the others wait.
        until(lambda: first.done() or counted(port, "aesm_batch_rows_count") >= 1)
        others = {count: clients.submit(ask, port, INFER, body_of(rows.head(count))) for count in (2, 3, 17)}
        until(lambda: counted(port, "aesm_waiting_rows") >= 22)
        free.set()
        assert first.result()[0] == 200
        assert {count: answer.result()[0] for count, answer in others.items()} == {2: 200, 3: 200, 17: 500}
    assert together[:2] == [1, 22]


def test_other_paths_and_methods_are_told_and_counted(engine: Engine) -> None:
    with served(engine, Limits()) as port:
        for method, path, status, allowed in (
            ("GET", INFER, 405, {"POST"}),
            ("PUT", INFER, 405, {"POST"}),
            ("POST", "/v2/health/live", 405, {"GET", "HEAD"}),
            ("DELETE", "/metrics", 405, {"GET", "HEAD"}),
            ("GET", "/v2/models/other/infer", 404, set()),
            ("GET", "/", 404, set()),
        ):
            found, headers, said = headers_of(port, method, path)
            assert (found, list(said)) == (status, ["error"])
            assert {one for one in headers.get("Allow", headers.get("allow", "")).split(", ") if one} == allowed
        assert counted(port, 'aesm_requests_total{status="405"}') == 4
        assert counted(port, 'aesm_requests_total{status="404"}') == 2


def test_more_connections_than_may_be_open(engine: Engine, rows: pl.DataFrame) -> None:
    with served(engine, Limits(connections=3, yield_s=120, body_s=120, answer_s=120)) as port:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(3)]
        try:
            for one in idle:  # answered once, they are open for certain
                one.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
                assert one.recv(1000).startswith(b"HTTP/1.1 200")
            status, headers, said = headers_of(port, "GET", "/v2/health/live")
            assert (status, said) == (503, {"error": "too many connections"})
            assert {name.lower() for name in headers} >= {"retry-after", "connection"}
        finally:
            for one in idle:
                one.close()
        while (found := ask(port, INFER, body_of(rows.head(1))))[0] != 200:
            assert found[0] == 503
        assert counted(port, 'aesm_requests_total{status="503"}') >= 1


def test_compressed_bodies(engine: Engine, rows: pl.DataFrame) -> None:
    body = body_of(rows.head(3))
    with served(engine, Limits(body_bytes=200_000, body_s=120, answer_s=120)) as port:
        plain = ask(port, INFER, body)
        assert plain[0] == 200
        packed = gzip.compress(body)
        for encoding, sent in (
            ("gzip", packed),
            ("GZip", packed),
            ("deflate", zlib.compress(body)),
            ("identity", body),
        ):
            assert ask(port, INFER, sent, {"Content-Encoding": encoding}) == plain, encoding
        for encoding, sent, status, words in (
            ("br", packed, 415, "`Content-Encoding` is `br`; `gzip`"),
            ("zstd", packed, 415, "`Content-Encoding` is `zstd`"),
            ("gzip, gzip", packed, 415, "`Content-Encoding` is"),
            ("gzip", body, 400, "but the body is not"),
            ("deflate", packed, 400, "but the body is not"),
            ("gzip", packed[:-9], 400, "is cut off"),
            ("gzip", packed + b"x", 400, "goes on after its end"),
            ("gzip", gzip.compress(b" " * 200_001), 413, "larger than 200,000 bytes"),
        ):
            found, said = ask(port, INFER, sent, {"Content-Encoding": encoding})
            assert (found, words in said["error"]) == (status, True), (encoding, said)
        assert ask(port, INFER, body) == plain


def test_bodies_count_as_large_as_they_become(engine: Engine, rows: pl.DataFrame) -> None:
    body = body_of(rows.head(3))
    packed = gzip.compress(body + b" " * 3 * len(body))
    with served(engine, Limits(all_bytes=2 * len(body), body_s=120, answer_s=120)) as port:
        for _ in range(3):
            assert ask(port, INFER, packed, {"Content-Encoding": "gzip"})[0] == 503
            assert ask(port, INFER, body)[0] == 200


def test_the_url_of_an_ipv6_address(kinds: Run) -> None:
    if not socket.has_ipv6 or not _listens("::1"):
        pytest.skip("no IPv6 here")
    command = [sys.executable, "-m", "aesm_dsl", "serve", str(kinds.folder), "--port", "0", "--host", "::1"]
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    assert running.stderr is not None
    line = running.stderr.readline()
    url = line.split(" at ")[1].strip()
    assert url.startswith("http://[::1]:"), line
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/v2/health/live")
    assert connection.getresponse().status == 200
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)


def _listens(address: str) -> bool:
    try:
        socket.create_server((address, 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
