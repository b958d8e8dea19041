"""Engine -> an HTTP server of the Open Inference Protocol (v2, REST), with limits, /metrics and a graceful shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any, TypeVar, cast

import numpy as np
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.serving.acceptor import AcceptingServer
from aesm_dsl.serving.batching import Batcher, QueueFullError
from aesm_dsl.serving.connection import LimitedConnection
from aesm_dsl.serving.content_encoding import ENCODED, ENCODINGS, decompressed
from aesm_dsl.serving.engine import Engine
from aesm_dsl.serving.limits import Limits
from aesm_dsl.serving.protocol import (
    MODEL_VERSION,
    InferenceRequest,
    RequestError,
    inference_response,
    model_metadata,
    read_request,
)
from aesm_dsl.serving.waiting import WaitingConnections
from aesm_dsl.version import VERSION

Result = TypeVar("Result")

BACKLOG = 1024
"""Connections that the system keeps until they are accepted."""


class _Metrics:
    """What `/metrics` shows to Prometheus."""

    def __init__(self, waiting_rows: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "aesm_requests",
            "Requests for scores, and others that failed, by status.",
            ["status"],
            registry=self.registry,
        )
        self.rows = Counter("aesm_rows", "Rows that were scored.", registry=self.registry)
        self.seconds = Histogram("aesm_request_seconds", "From a request to its answer.", registry=self.registry)
        sizes = [2**power for power in range(0, 15, 2)]
        self.batches = Histogram("aesm_batch_rows", "Rows scored together.", buckets=sizes, registry=self.registry)
        Gauge("aesm_waiting_rows", "Rows that wait.", registry=self.registry).set_function(waiting_rows)


class _Service:
    """The routes of the server, and what they share."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine, self._limits = engine, limits
        self._body_bytes = 0  # of all requests that are being answered
        self._large = asyncio.Semaphore(limits.large_at_once)
        self._batcher = Batcher(
            engine.score,
            batch_rows=limits.batch_rows,
            wait_s=limits.wait_s,
            queue_rows=limits.queue_rows,
            on_batch=lambda rows: self._metrics.batches.observe(rows),
        )
        self._metrics = _Metrics(lambda: self._batcher.waiting_rows)

    def app(self) -> Starlette:
        """Returns the application that uvicorn serves."""
        model = f"/v2/models/{self._engine.plan.name}"
        routes = [
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/v2", self._server_metadata),
            Route("/metrics", self._prometheus_metrics),
        ]
        for path in (model, f"{model}/versions/{MODEL_VERSION}"):
            routes += [
                Route(path, self._model_metadata),
                Route(f"{path}/ready", self._model_ready),
                Route(f"{path}/infer", self._respond, methods=["POST"]),
            ]
        handlers = {404: self._not_found, 405: self._not_found, 500: self._failed}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Returns the application with its answers counted: to requests for scores, and errors.

        An answer that comes before the end of its request ends the connection, and says so.
        """

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            began, statuses = perf_counter(), list[int]()
            rest = _has_body(scope)

            async def read() -> Message:
                nonlocal rest
                message = await receive()
                rest = rest and bool(message.get("more_body"))
                return message

            async def write(message: Message) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                    if rest:
                        MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)

            try:
                await app(scope, read, write)
            finally:
                asked = scope["type"] == "http" and scope["path"].endswith("/infer")
                if statuses and (asked or statuses[0] >= 400):
                    self._metrics.requests.labels(str(statuses[0])).inc()
                if statuses and asked:
                    self._metrics.seconds.observe(perf_counter() - began)

        return answer

    def count_malformed(self) -> None:
        """Counts a request that is no HTTP."""
        self._metrics.requests.labels("400").inc()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(self._batcher.work())
        yield
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    async def _live(self, request: HttpRequest) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, request: HttpRequest) -> Response:
        return JSONResponse({"ready": True})

    async def _model_ready(self, request: HttpRequest) -> Response:
        return JSONResponse({"name": self._engine.plan.name, "ready": True})

    async def _server_metadata(self, request: HttpRequest) -> Response:
        return JSONResponse({"name": "aesm", "version": VERSION, "extensions": []})

    async def _model_metadata(self, request: HttpRequest) -> Response:
        return JSONResponse(model_metadata(self._engine.plan, f"aesm_{self._engine.name}"))

    async def _prometheus_metrics(self, request: HttpRequest) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _not_found(self, request: HttpRequest, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        model = f"the model here is `{self._engine.plan.name}`"
        response = _error_response(f"nothing answers {request.method} {request.url.path}; {model}", status)
        response.headers.update(getattr(error, "headers", None) or {})  # `Allow`
        return response

    async def _failed(self, request: HttpRequest, error: Exception) -> Response:
        """What the client is told of an error of ours; uvicorn writes its traceback to the log."""
        return _error_response("the server failed; its log says why", 500)

    async def _respond(self, request: HttpRequest) -> Response:
        """The scores, or the error that the request deserves."""
        body = bytearray()
        try:
            encoding = request.headers.get("content-encoding", "identity").strip().lower()
            if encoding not in ENCODINGS:
                raise RequestError(f"`Content-Encoding` is `{encoding}`; {ENCODED} are read", 415)
            if int(request.headers.get("content-length", 0)) > self._limits.body_bytes:
                raise self._too_large()
            await _within(self._limits.body_s, self._receive(request, body), "the body did not come in time", 408)
            if encoding != "identity":
                packed = bytes(body)
                # In another thread, as all work on a large body: it would keep all other requests waiting.
                body[:] = await asyncio.to_thread(decompressed, packed, encoding, self._limits.body_bytes)
                self._body_bytes += len(body) - len(packed)
                if self._body_bytes > self._limits.all_bytes:
                    raise RequestError("too many requests at once", 503)
            return await _within(self._limits.answer_s, self._score(request, bytes(body)), "no answer in time", 503)
        except RequestError as error:
            return _error_response(str(error), error.status)
        except QueueFullError:
            return _error_response("too many rows wait to be scored", 503)
        except ClientDisconnect:
            return Response(status_code=499)  # as nginx counts clients that left; nobody receives it
        finally:
            self._body_bytes -= len(body)

    async def _receive(self, request: HttpRequest, body: bytearray) -> None:
        """Appends what arrives to `body`, which is counted even if the rest does not arrive."""
        async for part in request.stream():
            if len(body) + len(part) > self._limits.body_bytes:
                raise self._too_large()
            if self._body_bytes + len(part) > self._limits.all_bytes:
                raise RequestError("too many requests at once", 503)
            body += part
            self._body_bytes += len(part)

    def _too_large(self) -> RequestError:
        return RequestError(f"the body is larger than {self._limits.body_bytes:,} bytes", 413)

    async def _score(self, request: HttpRequest, body: bytes) -> Response:
        length = request.headers.get("inference-header-content-length")
        if length is not None and not (length.isascii() and length.isdigit() and int(length) <= len(body)):
            raise RequestError("`Inference-Header-Content-Length` is no length within the body")
        async with self._large if len(body) > self._limits.large_bytes else contextlib.nullcontext():
            wanted, batch = await asyncio.to_thread(self._read, body, None if length is None else int(length))
        scores = await self._batcher.score(batch) if batch.rows else np.zeros((0, len(self._engine.tasks)), np.float32)
        self._metrics.rows.inc(len(scores))
        return JSONResponse(inference_response(self._engine.plan.name, wanted, self._engine.tasks, scores))

    def _read(self, body: bytes, json_bytes: int | None) -> tuple[InferenceRequest, Batch]:
        """The request and its encoded rows. Raises RequestError."""
        wanted = read_request(self._engine.plan, body, self._limits.request_rows, json_bytes)
        findings = Findings()
        batch = self._engine.encode(wanted.frame, findings)
        if batch is None:
            raise RequestError(render(findings, "concise").strip())
        return wanted, batch


async def _within(seconds: float, work: Awaitable[Result], message: str, status: int) -> Result:
    """The result of the work. Raises RequestError with this message and status if it takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise RequestError(message, status) from None


def _has_body(scope: Scope) -> bool:
    """Whether the request has a body by its header."""
    if scope["type"] != "http":
        return False
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _error_response(message: str, status: int) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else {}
    if status == 415:
        headers["Accept-Encoding"] = ", ".join(ENCODINGS)
    return JSONResponse({"error": message}, status, headers)


def make_server(engine: Engine, limits: Limits) -> uvicorn.Server:
    """Returns a server that stops on SIGINT or SIGTERM, once the requests that it has accepted are answered."""
    service = _Service(engine, limits)
    waiting = WaitingConnections(limits.yield_s)
    app, refusal = service.counted(service.app()), service.counted(_refuse)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=cast(Any, partial(LimitedConnection, limits, waiting, refusal, service.count_malformed)),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        timeout_keep_alive=cast(int, limits.idle_s),  # seconds; a fraction will do
        timeout_graceful_shutdown=limits.last_answers_s,
    )
    return AcceptingServer(config, limits.connections + limits.refused, waiting)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = _error_response("too many connections", 503)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket; port 0 takes a free one.

    Raises:
        OSError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
