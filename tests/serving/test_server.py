"""`aesm serve`: the Open Inference Protocol on loopback, under load, with bad requests among good ones."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl import AesmError, predict
from aesm_dsl.api.serve import serve
from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import Engine, onnx_engine, torch_engine
from aesm_dsl.serving.limits import Limits
from aesm_dsl.serving.server import listen, make_server
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT
from tests.serving.bodies import INFER, binary_body, body_of, tensors
from tests.serving.conftest import table_of
from tests.serving.ties import assert_same

ROWS = 400

Check = Callable[[np.ndarray, dict[str, Any]], None]


@contextmanager
def served(engine: Engine, limits: Limits) -> Iterator[int]:
    """The port of a server that runs in a thread."""
    listening = listen("127.0.0.1", 0)
    server = make_server(engine, limits)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def engine(kinds: Run) -> Engine:
    return torch_engine(kinds, torch.device("cpu"))


@pytest.fixture(scope="module")
def port(engine: Engine) -> Iterator[int]:
    with served(engine, Limits(body_bytes=200_000, request_rows=100, body_s=120, answer_s=120)) as port:
        yield port


def ask(port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith("{") else text
    finally:
        connection.close()


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return table_of(ROWS, 11).drop("click", "buy")


@pytest.fixture(scope="module")
def expected(kinds: Run, rows: pl.DataFrame) -> np.ndarray:
    return predict(kinds, rows, device="cpu").to_numpy()


@pytest.fixture(scope="module")
def check(engine: Engine, kinds: Run, rows: pl.DataFrame, expected: np.ndarray) -> Check:
    """Whether rows, by their places, have these scores of some tasks. Not while a server scores other rows."""
    whole = engine.encode(rows, Findings())
    assert whole is not None

    def found_is_expected(places: np.ndarray, found: dict[str, Any]) -> None:
        some = Batch(*(part[torch.from_numpy(places)] for part in whole.parts))
        scores = expected[places].copy()
        for one in found["outputs"]:
            scores[:, ["click", "buy"].index(one["name"])] = one["data"]
        assert_same(kinds.network, some, scores, expected[places])

    return found_is_expected


def test_what_the_protocol_asks_for(port: int, rows: pl.DataFrame, check: Check) -> None:
    assert ask(port, "/v2/health/live") == (200, {"live": True})
    assert ask(port, "/v2/health/ready") == (200, {"ready": True})
    for path in ("/v2/models/kinds/ready", "/v2/models/kinds/versions/1/ready"):
        assert ask(port, path) == (200, {"name": "kinds", "ready": True})
    assert ask(port, "/v2")[1]["name"] == "aesm"
    status, said = ask(port, "/v2/models/kinds")
    assert (status, said["name"], said["platform"]) == (200, "kinds", "aesm_torch")
    assert {one["name"] for one in said["inputs"]} == set(rows.columns)
    assert {one["name"]: one["shape"] for one in said["inputs"] if one["name"] in ("age", "sizes", "tags")} == {
        "age": [-1],
        "sizes": [-1, -1],
        "tags": [-1],
    }
    some = body_of(rows.head(3), id="abc", outputs=[{"name": "buy"}])
    status, said = ask(port, "/v2/models/kinds/versions/1/infer", some)
    assert (status, said["id"], said["model_name"], len(said["outputs"])) == (200, "abc", "kinds", 1)
    check(np.arange(3), said)
    assert said["outputs"][0] | {"data": 0} == {"name": "buy", "datatype": "FP32", "shape": [3], "data": 0}
    status, said = ask(port, INFER, body_of(rows.head(0)))
    assert (status, [(one["shape"], one["data"]) for one in said["outputs"]]) == (200, [([0], [])] * 2)
    for path, status in (("/v2/models/other/infer", 404), (INFER, 405)):
        found, answer = ask(port, path)
        assert (found, "the model here is `kinds`" in answer["error"]) == (status, True)


def wrong(rows: pl.DataFrame) -> dict[str, tuple[bytes, int, str]]:
    """Bad requests: the body, the status, and what is said."""
    some = rows.head(2)

    def changed(column: str, **fields: object) -> bytes:
        inputs = [{**one, **fields} if one["name"] == column else one for one in tensors(some)]
        return json.dumps({"inputs": inputs}).encode()

    return {
        "no json": (b"{", 400, "not JSON"),
        "deep": (b"[" * 100_000, 400, "not JSON"),
        "no inputs": (b'{"inputs": 3}', 400, "`inputs` has to be a list"),
        "column missing": (body_of(some.drop("age")), 400, "no column `age`"),
        "column unknown": (changed("age", name="agee"), 400, "no input `agee`; did you mean `age`?"),
        "twice": (json.dumps({"inputs": tensors(some) * 2}).encode(), 400, "occurs twice"),
        "datatype": (changed("age", datatype="DECIMAL"), 400, "`datatype` is one of BOOL"),
        "shape": (changed("age", shape=[-2]), 400, "`shape` is [rows]"),
        "shape and data": (changed("age", data=[1.0]), 400, "means 2 values, `data` has 1"),
        "other rows": (changed("age", shape=[1], data=[1]), 400, "inputs differ in their rows"),
        "a number for text": (changed("city", data=[1, 2]), 400, "is BYTES, which cannot hold `1`"),
        "text for a number": (changed("age", datatype="BYTES", data=["old", "1"]), 400, "E504"),
        "out of range": (changed("age", datatype="INT8", data=[300, 1]), 400, "outside its range"),
        "unknown node": (changed("card", data=["popup", "hot"]), 400, "E506"),
        "path": (
            json.dumps({"inputs": tensors(some.with_columns(entry=pl.lit("home"), card=pl.lit("new")))}).encode(),
            400,
            "E507",
        ),
        "output": (body_of(some, outputs=[{"name": "bye"}]), 400, "no output `bye`"),
        "long name": (changed("age", name="age" * 40_000), 400, f"{'age' * 26}ag...` (120,000 characters); there are"),
        "long value": (changed("age", data=["x" * 120_000, 1]), 400, f"`{'x' * 80}...` (120,000 characters)"),
        "endless rows": (changed("age", shape=[10**4000]), 400, "`shape` is [rows]"),
        "endless lists": (changed("sizes", shape=[2, 10**4000]), 400, "`shape` is [rows]"),
        "rows": (body_of(pl.concat([some] * 51)), 413, "102 rows are more than the 100"),
        "bytes": (b" " * 200_001, 413, "larger than 200,000 bytes"),
    }


def test_bad_requests_are_told_what_is_wrong(port: int, rows: pl.DataFrame) -> None:
    for name, (body, status, said) in wrong(rows).items():
        found, answer = ask(port, INFER, body)
        assert (found, said in answer["error"]) == (status, True), (name, found, answer)
    for field in ("inputs", "name", "shape", "data", "datatype", "parameters", "id", "outputs"):
        for value in (None, 3, "x", [], {}, [[]], [{}], True, 1e300, {"binary_data_size": 10**12}):
            whole = {"inputs": tensors(rows.head(1))}
            (whole if field in ("inputs", "id", "outputs") else whole["inputs"][0])[field] = value  # type: ignore[assignment]
            assert ask(port, INFER, json.dumps(whole).encode())[0] in (200, 400), (field, value)


def test_a_slow_client_is_left(engine: Engine) -> None:
    with served(engine, Limits(body_s=0.05)) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
        slow.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_under_load_every_answer_belongs_to_its_request(port: int, rows: pl.DataFrame, check: Check) -> None:
    bad = list(wrong(rows).values())
    answers: list[tuple[np.ndarray, dict[str, Any]]] = []

    def one(number: int) -> int:
        chance = np.random.default_rng(number)
        if chance.random() < 0.3:
            body, status, _ = bad[number % len(bad)]
            found, answer = ask(port, INFER, body)
            assert (found, "error" in answer) == (status, True)
            return 0
        picked = chance.integers(0, ROWS, int(chance.integers(1, 20)))
        status, said = ask(port, INFER, body_of(rows[picked.tolist()], id=str(number)))
        assert (status, said["id"]) == (200, str(number))
        answers.append((picked, said))
        return len(picked)

    before = counted(port, "aesm_rows_total")
    with ThreadPoolExecutor(12) as clients:
        scored = sum(clients.map(one, range(120)))
    assert len(answers) > 60
    for picked, said in answers:
        assert [one["name"] for one in said["outputs"]] == ["click", "buy"]
        check(picked, said)
    assert counted(port, "aesm_rows_total") - before == scored
    assert counted(port, "aesm_waiting_rows") == 0
    assert counted(port, 'aesm_requests_total{status="400"}') > 0


def counted(port: int, name: str) -> float:
    lines = dict(line.rsplit(" ", 1) for line in ask(port, "/metrics")[1].splitlines() if not line.startswith("#"))
    return float(lines[name])


def test_more_than_can_wait_is_refused_and_what_was_taken_is_answered(engine: Engine, rows: pl.DataFrame) -> None:
    sizes: list[int] = []
    free = threading.Event()

    def slowly(batch: Batch) -> Any:
        free.wait(30)
        sizes.append(batch.rows)
        return engine.score(batch)

    held = Engine("held", engine.plan, engine.encoders, slowly)
    with served(held, Limits(queue_rows=40, batch_rows=25, answer_s=120)) as port, ThreadPoolExecutor(20) as clients:
        asked = [clients.submit(ask, port, INFER, body_of(rows.head(10))) for _ in range(20)]
        while sum(one.done() for one in asked) < 10:
            time.sleep(0.01)
        free.set()
        found = [one.result()[0] for one in asked]
        assert found.count(503) >= 10
        assert found.count(200) == sum(sizes) / 10 >= 5
        assert max(sizes) <= 25
        assert ask(port, INFER, body_of(rows.head(1)))[0] == 200


def test_bodies_take_so_much_memory_at_most(engine: Engine, rows: pl.DataFrame) -> None:
    """Each request fits, all of them would not: what is taken for one is free again once it is answered."""
    body = body_of(rows.head(1))
    with served(engine, Limits(all_bytes=2 * len(body), body_s=120, answer_s=120)) as port:
        assert [ask(port, INFER, body)[0] for _ in range(5)] == [200] * 5
        assert ask(port, INFER, b"{" * (2 * len(body) + 1)) == (503, {"error": "too many requests at once"})
        assert [ask(port, INFER, wrong)[0] for wrong in (b"{", body[:-1], body)] == [400, 400, 200]


def test_no_answer_in_time_is_told(engine: Engine, rows: pl.DataFrame) -> None:
    free = threading.Event()

    def slowly(batch: Batch) -> Any:
        free.wait(120)
        return engine.score(batch)

    held = Engine("held", engine.plan, engine.encoders, slowly)
    with served(held, Limits(body_s=120, answer_s=0.05)) as port:
        assert ask(port, INFER, body_of(rows.head(2))) == (503, {"error": "no answer in time"})
        assert ask(port, "/v2/health/live")[0] == 200
        free.set()


def test_binary_inputs_as_tritons_client_sends_them(port: int, rows: pl.DataFrame, check: Check) -> None:
    body, json_bytes = binary_body(rows.head(4), parameters={"binary_data_output": True})
    header = {"Inference-Header-Content-Length": str(json_bytes)}
    status, said = ask(port, INFER, body, header)
    assert status == 200, said
    check(np.arange(4), said)
    assert ask(port, INFER, body[:-3], header)[0] == 400
    assert ask(port, INFER, body + b"x", header)[0] == 400
    assert ask(port, INFER, body[:json_bytes], {"Inference-Header-Content-Length": "99999999"})[0] == 400


def test_an_exported_model_scores_alike(
    kinds: Run, exported: Path, rows: pl.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    findings = Findings()
    engine = onnx_engine(kinds, exported, findings)
    assert engine is not None
    batch = engine.encode(rows, findings)
    assert batch is not None
    assert_same(kinds.network, batch, engine.score(batch), expected)
    copy, beside = tmp_path / "model.onnx", tmp_path / "model.json"
    text = exported.with_suffix(".json").read_text(encoding="utf-8")
    content = exported.read_bytes()
    for model, said, words in (
        (content, None, "cannot be read"),
        (content, "[1]", "no description"),
        (content[:-1], text, "is not the model that"),
        (content, text.replace("Krak", "Grak").replace("杭州", "温州"), "another run"),
    ):
        copy.write_bytes(model)
        beside.unlink(missing_ok=True)
        if said is not None:
            beside.write_text(said, encoding="utf-8")
        with pytest.raises(AesmError, match=rf"E632(.|\n)*{words}"):
            serve(kinds, copy, port=0)


def test_from_the_command_line_until_sigterm(kinds: Run, rows: pl.DataFrame) -> None:
    command = [sys.executable, "-m", "aesm_dsl", "serve", str(kinds.folder), "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)),
    )
    assert running.stderr is not None
    line = running.stderr.readline()
    assert line.startswith(f"serving {kinds.folder} at http://127.0.0.1:"), line
    port = int(line.rsplit(":", 1)[1])
    assert ask(port, INFER, body_of(rows.head(2)))[0] == 200
    many = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]  # more than it may open
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    for one in many:
        one.close()
    assert said == ""
    assert running.returncode in (0, -signal.SIGTERM)
