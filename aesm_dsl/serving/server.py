"""Engine -> an HTTP server of the Open Inference Protocol (v2, REST), with limits, /metrics and a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.serving.batching import Batcher, FullError
from aesm_dsl.serving.engine import Engine
from aesm_dsl.serving.protocol import VERSION_SERVED, Request, RequestError, answer, metadata, read_request
from aesm_dsl.version import VERSION

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes."""

    body_bytes: int = 8 * 2**20
    """Of one request."""
    all_bytes: int = 64 * 2**20
    """Of the bodies of all requests that are being answered."""
    request_rows: int = 10_000
    batch_rows: int = 1024
    """Rows of several requests that are scored together."""
    queue_rows: int = 50_000
    """Rows that wait to be scored."""
    wait_s: float = 0.0
    """How long rows wait for others to be scored with."""
    body_s: float = 5.0
    """Until the whole body is there."""
    answer_s: float = 10.0
    """From then on until the answer."""
    connections: int = 512


class _Metrics:
    def __init__(self, batcher_rows: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("aesm_requests", "Requests for scores, by status.", ["status"], registry=self.registry)
        self.rows = Counter("aesm_rows", "Rows that were scored.", registry=self.registry)
        self.seconds = Histogram("aesm_request_seconds", "From a request to its answer.", registry=self.registry)
        sizes = [2**power for power in range(0, 15, 2)]
        self.batches = Histogram("aesm_batch_rows", "Rows scored together.", buckets=sizes, registry=self.registry)
        Gauge("aesm_waiting_rows", "Rows that wait.", registry=self.registry).set_function(batcher_rows)


class _Service:
    """The routes, and what they share."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine, self._limits, self._bytes = engine, limits, 0
        self._batcher = Batcher(
            engine.score,
            limits.batch_rows,
            limits.wait_s,
            limits.queue_rows,
            lambda rows: self._metrics.batches.observe(rows),
        )
        self._metrics = _Metrics(lambda: self._batcher.rows)

    def app(self) -> Starlette:
        model = f"/v2/models/{self._engine.plan.name}"
        routes = [
            Route("/v2/health/live", self._well),
            Route("/v2/health/ready", self._well),
            Route("/v2", self._server),
            Route("/metrics", self._report),
        ]
        for path in (model, f"{model}/versions/{VERSION_SERVED}"):
            routes += [
                Route(path, self._model),
                Route(f"{path}/ready", self._well),
                Route(f"{path}/infer", self._infer, methods=["POST"]),
            ]
        return Starlette(
            routes=routes, lifespan=self._lifespan, exception_handlers={404: self._nothing, 405: self._nothing}
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(self._batcher.work())
        yield
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    async def _well(self, request: HttpRequest) -> Response:
        return Response()

    async def _server(self, request: HttpRequest) -> Response:
        return JSONResponse({"name": "aesm", "version": VERSION, "extensions": []})

    async def _model(self, request: HttpRequest) -> Response:
        return JSONResponse(metadata(self._engine.plan, f"aesm_{self._engine.name}"))

    async def _report(self, request: HttpRequest) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _nothing(self, request: HttpRequest, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        served = f"the model here is `{self._engine.plan.name}`"
        return _refusal(f"nothing answers {request.method} {request.url.path}; {served}", status)

    async def _infer(self, request: HttpRequest) -> Response:
        began = perf_counter()
        response = await self._answered(request)
        self._metrics.requests.labels(str(response.status_code)).inc()
        self._metrics.seconds.observe(perf_counter() - began)
        return response

    async def _answered(self, request: HttpRequest) -> Response:
        body = bytearray()
        try:
            await _in_time(self._receive(request, body), self._limits.body_s, "the body did not come in time", 408)
            return await _in_time(self._scored(request, bytes(body)), self._limits.answer_s, "no answer in time", 503)
        except RequestError as error:
            return _refusal(str(error), error.status)
        except FullError:
            return _refusal("too many rows wait to be scored", 503)
        except ClientDisconnect:
            return Response(status_code=499)
        finally:
            self._bytes -= len(body)

    async def _receive(self, request: HttpRequest, body: bytearray) -> None:
        most = self._limits.body_bytes
        async for part in request.stream():
            if len(body) + len(part) > most:
                raise RequestError(f"the body is larger than {most:,} bytes", 413)
            if self._bytes + len(part) > self._limits.all_bytes:
                raise RequestError("too many requests at once", 503)
            body += part
            self._bytes += len(part)

    async def _scored(self, request: HttpRequest, body: bytes) -> Response:
        length = request.headers.get("inference-header-content-length")
        if length is not None and not (length.isascii() and length.isdigit() and int(length) <= len(body)):
            raise RequestError("`Inference-Header-Content-Length` is no length within the body")
        read, batch = await asyncio.to_thread(self._read, body, None if length is None else int(length))
        found = await self._batcher.score(batch)
        self._metrics.rows.inc(len(found))
        return JSONResponse(answer(self._engine.plan.name, read, self._engine.tasks, found))

    def _read(self, body: bytes, json_bytes: int | None) -> tuple[Request, Any]:
        read = read_request(self._engine.plan, body, self._limits.request_rows, json_bytes)
        findings = Findings()
        batch = self._engine.encode(read.frame, findings)
        if batch is None:
            raise RequestError(render(findings, "concise").strip())
        return read, batch


async def _in_time(work: Awaitable[Result], seconds: float, message: str, status: int) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise RequestError(message, status) from None


def _refusal(message: str, status: int) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else {"Connection": "close"} if status in (408, 413) else {}
    return JSONResponse({"error": message}, status, headers)


def make_server(engine: Engine, limits: Limits) -> uvicorn.Server:
    """A server that stops on SIGINT and SIGTERM, once the requests that it took are answered."""
    config = uvicorn.Config(
        _Service(engine, limits).app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(limits.answer_s + limits.body_s),
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)
