"""Rows as bodies of requests, as clients write them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.serving.protocol import DATATYPES

INFER = "/v2/models/kinds/infer"
"""Where the run of tests/serving/conftest.py is asked for scores."""


def tensors(table: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows as a client sends them: numbers as numbers, text as text, lists padded with nulls."""
    found = []
    for column in table:
        if isinstance(column.dtype, pl.List):
            width = max(1, int(column.list.len().max() or 0))
            cells = [[*(one or []), *[None] * width][:width] for one in column.to_list()]
            found.append({"name": column.name, "datatype": "INT64", "shape": [len(column), width], "data": cells})
        else:
            kind = {pl.Int64: "INT64", pl.Float64: "FP64"}.get(type(column.dtype), "BYTES")
            found.append({"name": column.name, "datatype": kind, "shape": [len(column)], "data": column.to_list()})
    return found


def body_of(table: pl.DataFrame, **more: object) -> bytes:
    return json.dumps({"inputs": tensors(table), **more}).encode()


def binary_body(table: pl.DataFrame, **more: object) -> tuple[bytes, int]:
    """The body with binary inputs, as Triton's client sends them where they can be, and the length of its JSON."""
    inputs, binary = [], b""
    for one in tensors(table):
        cells = one.pop("data")
        if one["datatype"] == "BYTES":
            raw = b"".join(struct.pack("<I", len((cell or "").encode())) + (cell or "").encode() for cell in cells)
        elif any(cell is None or isinstance(cell, list) for cell in cells):
            inputs.append({**one, "data": cells})
            continue
        else:
            raw = np.array(cells, dtype=DATATYPES[one["datatype"]][1]).tobytes()
        inputs.append({**one, "parameters": {"binary_data_size": len(raw)}})
        binary += raw
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + binary, len(head)
