"""Scores rows with an exported model in the runtime that is installed here: onnxruntime, OpenVINO or onnx's own.

    python score.py MODEL INPUTS.npz

It prints whether the scores are those of the network, whether no rows get no scores, and what becomes of a node that
its level does not have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version

import numpy as np

MODEL, INPUTS = sys.argv[1:]
Score = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def of_onnxruntime() -> Score:
    onnxruntime = import_module("onnxruntime")
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def of_openvino() -> Score:
    openvino = import_module("openvino")
    model = openvino.Core().compile_model(MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: list(model(inputs).values())


def of_onnx() -> Score:
    model = import_module("onnx.reference").ReferenceEvaluator(MODEL)
    return lambda inputs: model.run(None, inputs)


def tried(attempt: Callable[[], str]) -> str:
    try:
        return attempt()
    except Exception as error:
        return f"error: {str(error).strip().splitlines()[0][:150]}"


def same(score: Score, inputs: dict[str, np.ndarray], expected: np.ndarray) -> str:
    off = np.abs(np.stack(score(inputs), axis=1) - expected).max(axis=1) > 1e-5
    return "the same" if off.mean() <= 0.005 else f"other scores in {off.sum()} of {len(off)} rows"


def outside(score: Score, inputs: dict[str, np.ndarray]) -> str:
    wrong = {name: array.copy() for name, array in inputs.items()}
    wrong["level.card"][0] = -1
    return "NaN" if all(np.isnan(array[0]) for array in score(wrong)) else "SCORES"


def report(package: str, make: Callable[[], Score]) -> None:
    try:
        import_module(package)
    except ModuleNotFoundError:
        return
    with np.load(INPUTS) as arrays:
        inputs = {name: arrays[name] for name in arrays.files if name != "expected"}
        expected = arrays["expected"]
    few, none = ({name: array[:rows] for name, array in inputs.items()} for rows in (3, 0))
    print(f"{package} {version(package)}", flush=True)
    score = make()
    print(f"  {len(expected)} rows: {tried(lambda: same(score, inputs, expected))}")
    print(f"  3 rows: {tried(lambda: same(score, few, expected[:3]))}")
    print(f"  no rows: {tried(lambda: str([array.shape for array in score(none)]))}")
    print(f"  a node that its level does not have: {tried(lambda: outside(score, few))}", flush=True)


for package, make in (("onnxruntime", of_onnxruntime), ("openvino", of_openvino), ("onnx", of_onnx)):
    report(package, make)
