"""Trains a small run, and tries what docs/serving.md says of clients and runtimes: `make clients`.

Each client and runtime has an environment of its own in build/clients, with the versions of tests/clients/*.txt.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from aesm_dsl import Spec, export, predict, train
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import torch_engine
from aesm_dsl.serving.export_inputs import named_inputs
from tests.conftest import PROJECT
from tests.serving.bodies import tensors
from tests.serving.conftest import KINDS, table_of

HERE, BUILD = Path(__file__).parent, PROJECT / "build" / "clients"


def environment(name: str) -> str:
    """The Python of an environment with the packages of NAME.txt."""
    folder = BUILD / name
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", str(HERE / f"{name}.txt")], check=True)
    return python


def main() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    run = train(Spec.parse(KINDS), BUILD / "run", data=table_of(1500, 1), device="cpu", overwrite=True)
    rows = table_of(40, 3).drop("click", "buy")
    (BUILD / "rows.json").write_text(json.dumps(tensors(rows)), encoding="utf-8")
    scores = predict(run, rows, device="cpu").to_dict(as_series=False)
    (BUILD / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    command = [sys.executable, "-m", "aesm_dsl", "serve", str(run.folder), "--port", "0", "--device", "cpu"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        url = server.stderr.readline().split(" at ")[1].strip()
        asked = [
            environment("clients"),
            str(HERE / "ask.py"),
            url,
            str(BUILD / "rows.json"),
            str(BUILD / "scores.json"),
        ]
        subprocess.run(asked, check=True)
    finally:
        server.terminate()
        server.wait()
    model = export(run, BUILD / "model.onnx", overwrite=True)
    engine = torch_engine(run, torch.device("cpu"))
    batch = engine.encode(table_of(300, 3), Findings())
    assert batch is not None
    inputs = {name: tensor.numpy() for name, tensor in named_inputs(run.plan, batch).items()}
    np.savez(BUILD / "inputs.npz", expected=engine.score(batch), **inputs)
    for name in ("onnxruntime-oldest", "onnxruntime-newest", "openvino"):
        scored = [environment(name), str(HERE / "score.py"), str(model), str(BUILD / "inputs.npz")]
        subprocess.run(scored, check=True)


if __name__ == "__main__":
    main()
