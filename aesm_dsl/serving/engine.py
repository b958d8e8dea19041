"""`Engine`: what scores encoded rows, the network in torch or an exported model in onnxruntime.

Axes: R rows, S slots of ids, V values, L levels, T tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.encoded_stream import encode_batches
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.open_tables import open_table
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.serving.export import described_features
from aesm_dsl.serving.export_inputs import named_inputs
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.reporter import ignore

Floats = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Engine:
    """Scores rows in two steps, so that the rows of several requests can be scored together."""

    name: str
    plan: Plan
    encoders: Encoders
    score: Callable[[Batch], Floats]
    """probability_RT of rows that were encoded."""

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.plan.tasks.tasks]

    def encode(self, frame: pl.DataFrame, findings: Findings) -> Batch | None:
        """The rows encoded, by the rules of training; None after telling what is wrong with them."""
        files = open_frames(frame, "the request", findings)
        reading = open_table(self.plan, files, findings, ignore, labels=False) if files else None
        if reading is None or findings.errors:
            return None
        checked = [chunk for _, chunk in reading.checked("test", None)]
        if findings.errors:
            return None
        return joined([batch for chunk in checked for batch in encode_batches(self.encoders, chunk, len(chunk))])


def joined(batches: list[Batch]) -> Batch:
    """The rows of several batches, in their order."""
    return Batch(*(torch.cat(parts) for parts in zip(*(batch.parts for batch in batches), strict=True)))


def torch_engine(run: Run, device: torch.device) -> Engine:
    """The run's own network: what `predict` scores with."""
    network = run.network.to(device).eval()

    def score(batch: Batch) -> Floats:
        with torch.inference_mode():
            found = network(batch.to(device)).log_probability.values()
            return torch.stack([one.exp() for one in found], dim=1).cpu().numpy()

    return Engine("torch", run.plan, run.encoders, score)


def onnx_engine(run: Run, model: Path, findings: Findings) -> Engine | None:
    """The run's exported model in onnxruntime; None after adding E632 where it is another's, or cannot be loaded."""
    content = _model_bytes(run, model, findings)
    if content is None:
        return None
    try:
        import onnxruntime

        session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except ModuleNotFoundError as error:
        helps = "`pip install 'aesm-dsl[serve]'` installs what a server needs"
        findings.add("E632", f"a server needs the library `{error.name}`, which is not installed", help=helps)
        return None
    except Exception as error:  # onnxruntime has no common class of its errors
        findings.add("E632", f"`{model}` cannot be loaded: {str(error).strip().splitlines()[0]}", help=AGAIN)
        return None
    tasks = [task.name for task in run.plan.tasks.tasks]

    def score(batch: Batch) -> Floats:
        inputs = {name: tensor.numpy() for name, tensor in named_inputs(run.plan, batch).items()}
        return np.stack(session.run(tasks, inputs), axis=1)

    return Engine("onnxruntime", run.plan, run.encoders, score)


AGAIN = "`aesm export RUN` writes it again"


def _model_bytes(run: Run, model: Path, findings: Findings) -> bytes | None:
    """The model, once the description beside it says that it is this one, of this run."""
    beside = model.with_suffix(".json")
    try:
        content, text = model.read_bytes(), beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        findings.add("E632", f"`{model}`, with `{beside.name}` beside it, cannot be read: {error}", help=AGAIN)
        return None
    try:
        said = json.loads(text)
        digest, features = said["sha256"], said["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        findings.add("E632", f"`{beside}` is no description of an exported model", help=AGAIN)
        return None
    if digest != hashlib.sha256(content).hexdigest():
        findings.add("E632", f"`{model}` is not the model that `{beside.name}` describes", help=AGAIN)
    elif features != described_features(run.encoders):
        findings.add("E632", f"`{model}` was exported from another run than `{run.folder}`", help=AGAIN)
    else:
        return content
    return None
