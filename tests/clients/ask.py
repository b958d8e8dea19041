"""Asks a server with the clients of KServe and Triton, and compares its scores with those of a table.

    python ask.py URL ROWS.json SCORES.json

Runs in an environment of its own (`make clients`), which has the clients but not aesm.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version

import numpy as np
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

URL, ROWS, SCORES = sys.argv[1:]
with open(ROWS, encoding="utf-8") as rows, open(SCORES, encoding="utf-8") as scores:
    TENSORS, EXPECTED = json.load(rows), json.load(scores)
MODEL, TYPES = "kinds", {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}


def check(what: str, answer: dict[str, np.ndarray]) -> None:
    for task, expected in EXPECTED.items():
        found = np.asarray(answer[task], dtype=np.float64)
        assert found.shape == (len(expected),), (what, task, found.shape)
        assert np.abs(found - expected).max(initial=0) < 2e-5, (what, task)
    print(f"{what}: {len(expected)} rows")


def arrays(tensor: dict) -> np.ndarray:
    """Triton's client takes arrays: a missing text is the empty one, a missing number NaN."""
    blank = "" if tensor["datatype"] == "BYTES" else np.nan
    flat = [cell for row in tensor["data"] for cell in (row if isinstance(row, list) else [row])]
    cells = [blank if cell is None else cell for cell in flat]
    array = np.array(cells, dtype=TYPES[tensor["datatype"]] if tensor["datatype"] == "BYTES" else np.float64)
    return array.reshape(tensor["shape"])


def with_triton() -> None:
    client = triton.InferenceServerClient(URL.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "aesm"
    described = client.get_model_metadata(MODEL)
    assert {one["name"] for one in described["inputs"]} == {tensor["name"] for tensor in TENSORS}
    for binary in (False, True):
        inputs = []
        for tensor in TENSORS:
            array = arrays(tensor)
            if tensor["shape"][1:] and tensor["datatype"] == "INT64":  # lists of ids, padded
                array = np.array(
                    [
                        ["" if np.isnan(x) else str(int(y)) for x, y in zip(row, own, strict=True)]
                        for row, own in zip(array, whole(tensor), strict=True)
                    ],
                    dtype=np.object_,
                )
            elif tensor["datatype"] == "INT64":
                array = np.array(["" if x is None else str(x) for x in tensor["data"]], dtype=np.object_)
            kind = "BYTES" if array.dtype == np.object_ else "FP64"
            inputs.append(triton.InferInput(tensor["name"], list(array.shape), kind))
            inputs[-1].set_data_from_numpy(array, binary_data=binary)
        for named in (None, [triton.InferRequestedOutput(task, binary_data=binary) for task in EXPECTED]):
            for packed in (None, "gzip", "deflate"):
                answer = client.infer(
                    MODEL, inputs, outputs=named, request_id="7", request_compression_algorithm=packed
                )
                assert answer.get_response()["id"] == "7"
                way = f"tritonclient {version('tritonclient')} {'binary' if binary else 'JSON'} {packed or 'plain'}"
                check(way, {task: answer.as_numpy(task) for task in EXPECTED})


def whole(tensor: dict) -> list:
    return [[0 if cell is None else cell for cell in row] for row in tensor["data"]]


async def with_kserve() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(URL) is True
    assert await client.is_server_ready(URL) is True
    assert await client.is_model_ready(URL, MODEL) is True
    assert await client.is_model_ready(URL, "other") is False
    inputs = [InferInput(one["name"], one["shape"], one["datatype"], data=one["data"]) for one in TENSORS]
    answer = await client.infer(URL, InferRequest(MODEL, inputs, request_id="7"), model_name=MODEL)
    assert answer.id == "7"
    check(f"kserve {version('kserve')} JSON", {one.name: one.as_numpy() for one in answer.outputs})
    for tensor, given in zip(TENSORS, inputs, strict=True):
        if tensor["datatype"] != "INT64":
            given.set_data_from_numpy(arrays(tensor), binary_data=True)
    answer = await client.infer(URL, InferRequest(MODEL, inputs), model_name=MODEL)
    check(f"kserve {version('kserve')} binary", {one.name: one.as_numpy() for one in answer.outputs})


with_triton()
asyncio.run(with_kserve())
