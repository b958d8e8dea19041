"""The Open Inference Protocol (v2, REST): reads requests as tables of raw values, and writes scores as responses.

An input is a column: its name; its `datatype`; its `shape`, [rows], or [rows, values] for lists; and its `data` in
row-major order, nested or flat. null is a missing value. Binary inputs are read as Triton's clients send them (the
protocol's binary tensor data extension).
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
from aesm_dsl.findings.printable import shortened
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.serving.padded_steps import without_padding

DATATYPES: dict[str, tuple[Any, str]] = {
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
"""For each datatype the type of its column, and numpy's type of its binary data ("" for text)."""

NUMERIC_KINDS = ("number", "value")
"""Kinds of features that read numbers."""

MODEL_VERSION = "1"
"""The version of the model in paths and responses: a server has only one."""


class RequestError(Exception):
    """A request cannot be answered; the message says why.

    Attributes:
        status: the HTTP status of the response.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(shortened(message))
        self.status = status


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A request for the scores of rows."""

    id: str | None
    frame: pl.DataFrame
    """The rows: a column of raw values for each input."""
    outputs: tuple[str, ...]
    """Names of the tasks whose scores are wanted."""


def read_request(plan: Plan, body: bytes, most_rows: int, json_bytes: int | None = None) -> InferenceRequest:
    """Reads the body of a request.

    Args:
        plan: names the columns and tasks.
        body: JSON, and behind it binary inputs.
        most_rows: the most rows that a request may have.
        json_bytes: length of the JSON; None if it is the whole body.

    Raises:
        RequestError: the body is not a request that the model can answer.
    """
    head, binary = body[:json_bytes], body[len(body) if json_bytes is None else json_bytes :]
    try:
        content = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("inputs"), list) or not content["inputs"]:
        raise RequestError("`inputs` has to be a list of tensors, one for each column")
    identity = content.get("id")
    if identity is not None and not isinstance(identity, str):
        raise RequestError("`id` has to be text")
    columns: dict[str, pl.Series] = {}
    lists = {column: any(feature.take for feature in features) for column, features in _columns(plan).items()}
    for tensor in content["inputs"]:
        column, binary = _column(tensor, lists, binary, most_rows)
        if column.name in columns:
            raise RequestError(f"input `{column.name}` occurs twice")
        columns[column.name] = column
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` {rows}" for name, rows in list(lengths.items())[:8])
        raise RequestError(f"inputs differ in their rows: {listed}")
    if binary:
        raise RequestError(f"{len(binary)} bytes after the last binary input")
    frame = without_padding(plan, pl.DataFrame(list(columns.values())))
    return InferenceRequest(identity, frame, _outputs(plan, content.get("outputs")))


def _columns(plan: Plan) -> dict[str, list[FeaturePlan]]:
    """Every column that a row needs, with the features that read it."""
    columns: dict[str, list[FeaturePlan]] = {}
    for feature in plan.features:
        if feature.column:
            columns.setdefault(feature.column, []).append(feature)
        if feature.until:
            columns.setdefault(feature.until, [])
    for level in plan.levels:
        columns.setdefault(level.column, [])
    return columns


def _column(tensor: Any, lists: dict[str, bool], binary: bytes, most_rows: int) -> tuple[pl.Series, bytes]:
    """The tensor as a column, and the binary data that follows its own.

    Args:
        tensor: an entry of `inputs`.
        lists: every column, and whether a list feature reads it.
        binary: binary data that has not been read.
        most_rows: the most rows that a request may have.
    """
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(name, str):
        raise RequestError("every input has a `name`: its column")
    if name not in lists:
        raise RequestError(f"no input `{name}`; {did_you_mean(name, lists) or f'there are {quoted(lists)}'}")
    dtype, code = DATATYPES.get(str(tensor.get("datatype")), (None, ""))
    if dtype is None:
        raise RequestError(f"input `{name}`: `datatype` is one of {', '.join(DATATYPES)}")
    shape = tensor.get("shape")
    # `type`, not `isinstance`: true is an int in Python, but no length.
    if not (
        isinstance(shape, list)
        and len(shape) in (1, 2)
        and all(type(size) is int and 0 <= size < 2**53 for size in shape)
    ):
        raise RequestError(f"input `{name}`: `shape` is [rows], or [rows, values] of lists")
    rows, *width = shape
    if rows > most_rows:
        raise RequestError(f"{rows:,} rows are more than the {most_rows:,} that a request may have", 413)
    if width and width != [1] and not lists[name]:
        raise RequestError(f"input `{name}`: a row has one value, its `shape` is [rows]")
    size = math.prod(shape)
    parameters = tensor.get("parameters")
    count = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if "data" in tensor:
        cells: Any = _flatten(name, tensor["data"])
    elif type(count) is int and 0 <= count <= len(binary):
        cells, binary = _unpack(name, binary[:count], code), binary[count:]
    else:
        raise RequestError(f"input `{name}` has no `data`")
    if len(cells) != size:
        raise RequestError(f"input `{name}`: `shape` {shape} means {size} values, `data` has {len(cells)}")
    column = _typed_column(name, cells, dtype, str(tensor["datatype"]))
    if lists[name] and width and (width != [1] or dtype != pl.String):
        column = (
            column.reshape((rows, width[0])).arr.to_list() if size else pl.Series(name, [[]] * rows, pl.List(dtype))
        )
    return column, binary


def _flatten(name: str, data: Any) -> list[Any]:
    """The values in row-major order; `data` may be nested once, as a list for each row."""
    if not isinstance(data, list):
        raise RequestError(f"input `{name}`: `data` is a list")
    if any(isinstance(row, list) for row in data):
        if not all(isinstance(row, list) for row in data):
            raise RequestError(f"input `{name}`: `data` is nested in some places only")
        if len({len(row) for row in data}) > 1:
            raise RequestError(f"input `{name}`: rows of `data` have different lengths; null fills the shorter ones")
        data = [cell for row in data for cell in row]
    return list(data)


def _unpack(name: str, data: bytes, code: str) -> Any:
    """The values in binary data: numbers of numpy's type `code`, or texts, each behind its length in 4 bytes."""
    if code:
        if len(data) % np.dtype(code).itemsize:
            raise RequestError(f"input `{name}`: {len(data)} bytes are not a whole number of values")
        return np.frombuffer(data, dtype=code)
    cells, start = [], 0
    while start < len(data):
        # Padded, so that a length that is cut off can be read; the check below refuses it.
        (count,) = struct.unpack_from("<I", data.ljust(start + 4, b"\0"), start)
        if start + 4 + count > len(data):
            raise RequestError(f"input `{name}`: a text is cut off")
        try:
            cells.append(data[start + 4 : start + 4 + count].decode() or None)  # it has no other way to say null
        except UnicodeDecodeError:
            raise RequestError(f"input `{name}`: a text is not UTF-8") from None
        start += 4 + count
    return cells


def _typed_column(name: str, cells: Iterable[Any], dtype: Any, datatype: str) -> pl.Series:
    """The values as a column of their datatype, which takes only values of that type and null."""
    if isinstance(cells, np.ndarray):
        return pl.Series(name, cells).cast(dtype)
    takes = {pl.String: (str,), pl.Boolean: (bool,), pl.Float32: (int, float), pl.Float64: (int, float)}.get(
        dtype, (int,)
    )
    wrong = next((cell for cell in cells if cell is not None and type(cell) not in takes), None)
    try:
        if wrong is None:
            return pl.Series(name, cells, dtype=dtype, strict=True)
        message = f"`{wrong}`"
    except (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError):
        message = "a value outside its range"
    raise RequestError(f"input `{name}` is {datatype}, which cannot hold {message}")


def _outputs(plan: Plan, outputs: Any) -> tuple[str, ...]:
    """The tasks that a request's `outputs` name; all if it has none."""
    tasks = [task.name for task in plan.tasks.tasks]
    if not outputs:
        return tuple(tasks)
    entries = outputs if isinstance(outputs, list) else [None]
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    wrong = [name for name in names if name not in tasks]
    if wrong:
        raise RequestError(f"no output `{wrong[0]}`; there are {quoted(tasks)}")
    return tuple(task for task in tasks if task in names)


def inference_response(
    model: str, request: InferenceRequest, tasks: Sequence[str], probability_RT: np.ndarray[Any, Any]
) -> dict[str, Any]:
    """Returns the response to a request, as a value for JSON.

    Args:
        model: the model's name.
        request: the request.
        tasks: names of the columns of `probability_RT`.
        probability_RT: the rows' scores.

    Raises:
        RequestError: a score is not finite, which JSON cannot hold.
    """
    broken_R = ~np.isfinite(probability_RT).all(axis=1)
    if broken_R.any():
        count, first = f"{int(broken_R.sum())} of {len(broken_R)}", int(broken_R.argmax()) + 1
        raise RequestError(f"{count} rows have no finite score; the first is row {first}")
    outputs = [
        {"name": name, "datatype": "FP32", "shape": [len(probability_RT)], "data": probability_RT[:, column].tolist()}
        for column, name in enumerate(tasks)
        if name in request.outputs
    ]
    identity = {} if request.id is None else {"id": request.id}
    return {"model_name": model, "model_version": MODEL_VERSION, **identity, "outputs": outputs}


def _takes_numbers(feature: FeaturePlan) -> bool:
    return feature.kind in NUMERIC_KINDS and not feature.take and feature.form is None


def model_metadata(plan: Plan, platform: str) -> dict[str, Any]:
    """Returns the protocol's description of the model: its inputs and outputs."""
    inputs = [
        {
            "name": column,
            "datatype": "FP64" if any(_takes_numbers(use) for use in features) else "BYTES",
            "shape": [-1, -1] if any(use.take and not use.separator for use in features) else [-1],
        }
        for column, features in _columns(plan).items()
    ]
    outputs = [{"name": task.name, "datatype": "FP32", "shape": [-1]} for task in plan.tasks.tasks]
    return {
        "name": plan.name,
        "versions": [MODEL_VERSION],
        "platform": platform,
        "inputs": inputs,
        "outputs": outputs,
    }
