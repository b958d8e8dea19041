"""Requests whose right answer is known, in every form that clients use, and bad ones whose status is known."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tests.serving.bodies import INFER, binary_body, body_of

SPEC = """\
model kinds {
  features user { city = category; age = number(quantiles: 8) }
  features item { item = id(buckets: 40); sizes = list(of: id(buckets: 20), most: 2) }
  level entry { node home; node wealth { value = [1, "wealth tab"] } }
  tasks { task click; task buy { after = click } }
  experts { count = 6; hidden = [8] }
  train { batch = 64 rows; length = 30 steps; optimizer = adam(rate: 3e-2); seed = 1 }
}
"""
"""A model of few features over rows of tests/serving/conftest.py: it is the server that is tried, not the model."""

COLUMNS = ["city", "age", "item", "sizes", "entry"]

ALIKE = 1e-6
"""Scores of a row alone and among others differ by their rounding, by less than this."""

Scores = dict[str, np.ndarray[Any, Any]]
"""Task -> the scores of rows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and what answers it."""

    head: bytes
    body: bytes
    status: int
    id: str = ""
    scores: Scores | None = None
    half_close: bool = False
    """Whether the client closes its side once it has sent the request."""


class KnownRows:
    """Rows, and the scores that a server gives each of them alone."""

    def __init__(self, table: pl.DataFrame, infer: Callable[[bytes], dict[str, Any]]) -> None:
        """Asks the server, which nobody else asks.

        Args:
            table: rows.
            infer: sends a body, and returns the answer.
        """
        every = [table[row] for row in range(table.height)]
        alone = [scores_of(infer(body_of(row))) for row in every]
        together = scores_of(infer(body_of(table)))
        # Of two experts that are equal but for rounding a row may run either: such rows have no one right answer.
        sure = [
            row
            for row in range(table.height)
            if all(abs(together[task][row] - alone[row][task][0]) < ALIKE for task in together)
        ]
        assert len(sure) > 0.9 * table.height
        self.table = table[sure]
        self.scores: Scores = {task: np.array([alone[row][task][0] for row in sure]) for task in together}

    def asked(self, number: int, most_rows: int = 40) -> Asked:
        """Returns request `number`: its form, its rows and its mistakes are drawn by this seed."""
        chance = np.random.default_rng(number)
        places = chance.integers(0, self.table.height, int(chance.integers(1, most_rows + 1)))
        rows, identity = self.table[places.tolist()], f"request-{number}"
        scores = {task: values[places] for task, values in self.scores.items()}
        form = chance.choice(["json", "close", "gzip", "chunked", "expect", "half", "binary", "bad", "bad path"])
        body = body_of(rows, id=identity)
        if form == "bad":
            wrong = [b"{", b"[" * 10_000, body[:-9], body.replace(b'"shape"', b'"shqpe"'), b'{"inputs": []}']
            return Asked(head(len(body := wrong[number % len(wrong)])), body, 400)
        if form == "bad path":
            return Asked(head(len(body), path="/v2/models/other/infer"), body, 404)
        if form == "gzip":
            packed = gzip.compress(body, 1)
            return Asked(head(len(packed), "Content-Encoding: gzip"), packed, 200, identity, scores)
        if form == "chunked":
            return Asked(head(None), chunked(body, 1000), 200, identity, scores)
        if form == "binary":
            body, json_bytes = binary_body(rows, id=identity)
            more = f"Inference-Header-Content-Length: {json_bytes}"
            return Asked(head(len(body), more), body, 200, identity, scores)
        more = {"close": "Connection: close", "expect": "Expect: 100-continue"}.get(form, "Accept: */*")
        return Asked(head(len(body), more), body, 200, identity, scores, half_close=form == "half")

    def right(self, asked: Asked, status: int, body: bytes) -> str:
        """Returns "right", "wrong", or "swapped": the answer to another request."""
        if status != asked.status:
            return "wrong"
        said = json.loads(body)
        if asked.scores is None:
            return "right" if set(said) == {"error"} else "wrong"
        if said.get("id") != asked.id:
            return "swapped"
        found = scores_of(said)
        fits = found.keys() == asked.scores.keys() and all(
            len(found[task]) == len(scores) and np.abs(found[task] - scores).max() < ALIKE
            for task, scores in asked.scores.items()
        )
        return "right" if fits else "wrong"


def head(length: int | None, *more: str, path: str = INFER, method: str = "POST") -> bytes:
    """Returns the header of a request; without a length its body is chunked."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", size, *more, "", ""]).encode()


def chunked(body: bytes, size: int) -> bytes:
    """Returns the body as chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def scores_of(answer: dict[str, Any]) -> Scores:
    return {output["name"]: np.array(output["data"], dtype=np.float64) for output in answer["outputs"]}
