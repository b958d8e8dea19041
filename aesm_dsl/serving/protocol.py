"""Requests and answers of the Open Inference Protocol (v2, REST): JSON -> a table of raw values, scores -> JSON.

An input is a column: its name, `datatype`, `shape` [rows], or [rows, values] of lists, and `data` in row-major order,
nested or flat; null is a missing value. Of the binary extension the inputs are read, as Triton's clients send them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.findings.diagnostic import did_you_mean, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

TYPES: dict[str, tuple[Any, str]] = {
    "BOOL": (pl.Boolean, "?"),
    "INT8": (pl.Int8, "<i1"),
    "INT16": (pl.Int16, "<i2"),
    "INT32": (pl.Int32, "<i4"),
    "INT64": (pl.Int64, "<i8"),
    "UINT8": (pl.UInt8, "<u1"),
    "UINT16": (pl.UInt16, "<u2"),
    "UINT32": (pl.UInt32, "<u4"),
    "UINT64": (pl.UInt64, "<u8"),
    "FP16": (pl.Float32, "<f2"),
    "FP32": (pl.Float32, "<f4"),
    "FP64": (pl.Float64, "<f8"),
    "BYTES": (pl.String, ""),
}
"""Of each datatype its column, and its numbers in the binary extension."""


NUMBERS = ("number", "value")


class RequestError(Exception):
    """What is wrong with a request, in words, and the status that says so."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    id: str | None
    frame: pl.DataFrame
    outputs: tuple[str, ...]
    """The tasks that are asked for."""


def read_request(plan: Plan, body: bytes, most_rows: int, json_bytes: int | None = None) -> Request:
    """The request that a body says. Raises RequestError.

    json_bytes  where the JSON ends and binary inputs begin; None: it is all of the body
    """
    head, binary = body[:json_bytes], body[len(body) if json_bytes is None else json_bytes :]
    try:
        said = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if not isinstance(said, dict) or not isinstance(said.get("inputs"), list) or not said["inputs"]:
        raise RequestError("`inputs` has to be a list of tensors, one for each column")
    identity = said.get("id")
    if identity is not None and not isinstance(identity, str):
        raise RequestError("`id` has to be text")
    columns: dict[str, pl.Series] = {}
    lists = {column: any(one.take for one in uses) for column, uses in _columns(plan).items()}
    for tensor in said["inputs"]:
        column, binary = _column(tensor, lists, binary, most_rows)
        if column.name in columns:
            raise RequestError(f"input `{column.name}` stands twice")
        columns[column.name] = column
    if len(lengths := {name: len(column) for name, column in columns.items()}) and len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` {rows}" for name, rows in list(lengths.items())[:8])
        raise RequestError(f"inputs differ in their rows: {listed}")
    if binary:
        raise RequestError(f"{len(binary)} bytes behind the last binary input")
    return Request(identity, pl.DataFrame(list(columns.values())), _outputs(plan, said.get("outputs")))


def _columns(plan: Plan) -> dict[str, list[FeaturePlan]]:
    """Every column that a row needs, and the features that read it."""
    found: dict[str, list[FeaturePlan]] = {}
    for one in plan.features:
        if one.column:
            found.setdefault(one.column, []).append(one)
    for level in plan.levels:
        found.setdefault(level.column, [])
    return found


def _column(tensor: Any, lists: dict[str, bool], binary: bytes, most_rows: int) -> tuple[pl.Series, bytes]:
    """The tensor as a column, and the binary data behind its own."""
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str):
        raise RequestError("every input has a `name`: its column")
    if name not in lists:
        raise RequestError(f"no input `{name}`; {did_you_mean(name, lists) or f'there are {quoted(lists)}'}")
    dtype, code = TYPES.get(str(tensor.get("datatype")), (None, ""))
    if dtype is None:
        raise RequestError(f"input `{name}`: `datatype` is one of {', '.join(TYPES)}")
    shape = tensor.get("shape")
    good = isinstance(shape, list) and len(shape) in (1, 2) and all(type(one) is int and one >= 0 for one in shape)
    if not good:
        raise RequestError(f"input `{name}`: `shape` is [rows], or [rows, values] of lists")
    rows, *width = shape
    if rows > most_rows:
        raise RequestError(f"{rows:,} rows are more than the {most_rows:,} that a request may have", 413)
    if width and width != [1] and not lists[name]:
        raise RequestError(f"input `{name}`: a row has one value, its `shape` is [rows]")
    size = math.prod(shape)
    given = tensor.get("parameters")
    if "data" in tensor:
        cells: Any = _flat(name, tensor["data"])
    elif isinstance(given, dict) and type(count := given.get("binary_data_size")) is int and 0 <= count <= len(binary):
        cells, binary = _unpacked(name, binary[:count], code), binary[count:]
    else:
        raise RequestError(f"input `{name}` has no `data`")
    if len(cells) != size:
        raise RequestError(f"input `{name}`: `shape` {shape} means {size} values, `data` has {len(cells)}")
    column = _typed(name, cells, dtype, str(tensor["datatype"]))
    if lists[name] and width and (width != [1] or dtype != pl.String):
        column = (
            column.reshape((rows, width[0])).arr.to_list() if size else pl.Series(name, [[]] * rows, pl.List(dtype))
        )
    return column, binary


def _flat(name: str, data: Any) -> list[Any]:
    """Values in row-major order; nested as deep as a tensor of rows and values is."""
    if not isinstance(data, list):
        raise RequestError(f"input `{name}`: `data` is a list")
    if any(isinstance(one, list) for one in data):
        if not all(isinstance(one, list) for one in data):
            raise RequestError(f"input `{name}`: `data` is nested in some places only")
        if len({len(one) for one in data}) > 1:
            raise RequestError(f"input `{name}`: rows of `data` have different lengths; null fills the shorter ones")
        data = [cell for one in data for cell in one]
    return list(data)


def _unpacked(name: str, data: bytes, code: str) -> Any:
    if code:
        if len(data) % np.dtype(code).itemsize:
            raise RequestError(f"input `{name}`: {len(data)} bytes are no whole number of values")
        return np.frombuffer(data, dtype=code)
    cells, start = [], 0
    while start < len(data):
        (count,) = struct.unpack_from("<I", data.ljust(start + 4, b"\0"), start)
        if start + 4 + count > len(data):
            raise RequestError(f"input `{name}`: a text is cut off")
        try:
            cells.append(data[start + 4 : start + 4 + count].decode())
        except UnicodeDecodeError:
            raise RequestError(f"input `{name}`: a text is not UTF-8") from None
        start += 4 + count
    return cells


def _typed(name: str, cells: Iterable[Any], dtype: Any, called: str) -> pl.Series:
    """The values as a column of their datatype, which takes no others but null."""
    if isinstance(cells, np.ndarray):
        return pl.Series(name, cells).cast(dtype)
    takes = {pl.String: (str,), pl.Boolean: (bool,), pl.Float32: (int, float), pl.Float64: (int, float)}.get(
        dtype, (int,)
    )
    wrong = next((cell for cell in cells if cell is not None and type(cell) not in takes), None)
    try:
        if wrong is None:
            return pl.Series(name, cells, dtype=dtype, strict=True)
        message = f"`{str(wrong)[:60]}`"
    except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
        message = "a value outside its range"
    raise RequestError(f"input `{name}` is {called}, which cannot hold {message}")


def _outputs(plan: Plan, said: Any) -> tuple[str, ...]:
    tasks = [task.name for task in plan.tasks.tasks]
    if not said:
        return tuple(tasks)
    names = [one.get("name") if isinstance(one, dict) else None for one in said] if isinstance(said, list) else [None]
    wrong = [name for name in names if name not in tasks]
    if wrong:
        raise RequestError(f"no output `{str(wrong[0])[:60]}`; there are {quoted(tasks)}")
    return tuple(task for task in tasks if task in names)


def answer(model: str, request: Request, tasks: Sequence[str], probability_RT: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The answer to a request."""
    outputs = [
        {"name": name, "datatype": "FP32", "shape": [len(probability_RT)], "data": probability_RT[:, place].tolist()}
        for place, name in enumerate(tasks)
        if name in request.outputs
    ]
    said = {} if request.id is None else {"id": request.id}
    return {"model_name": model, "model_version": VERSION_SERVED, **said, "outputs": outputs}


VERSION_SERVED = "1"


def metadata(plan: Plan, platform: str) -> dict[str, Any]:
    """What the model takes and gives, as the protocol puts it."""
    inputs = [
        {
            "name": column,
            "datatype": "FP64" if any(one.kind in NUMBERS and not one.take for one in uses) else "BYTES",
            "shape": [-1, -1] if any(one.take and not one.separator for one in uses) else [-1],
        }
        for column, uses in _columns(plan).items()
    ]
    outputs = [{"name": task.name, "datatype": "FP32", "shape": [-1]} for task in plan.tasks.tasks]
    return {
        "name": plan.name,
        "versions": [VERSION_SERVED],
        "platform": platform,
        "inputs": inputs,
        "outputs": outputs,
    }
