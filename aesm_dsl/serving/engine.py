"""`Engine`: scores rows, with the network in torch or an exported model in onnxruntime.

Axes: R rows, T tasks.
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
from aesm_dsl.serving.export import feature_descriptions
from aesm_dsl.serving.export_inputs import named_inputs
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.reporter import ignore

Probabilities = np.ndarray[tuple[int, int], np.dtype[np.float32]]
"""probability_RT: the probability of every task for every row."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Encodes and scores rows in two steps, so that the rows of several requests can be scored together."""

    name: str
    """Name of the library that scores."""
    plan: Plan
    encoders: Encoders
    score: Callable[[Batch], Probabilities]
    """Returns probability_RT of encoded rows."""

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.plan.tasks.tasks]

    def encode(self, frame: pl.DataFrame, findings: Findings) -> Batch | None:
        """Checks and encodes rows by the rules of training; None after reporting what is wrong with them."""
        files = open_frames(frame, "the request", findings)
        reading = open_table(self.plan, files, findings, ignore, labels=False) if files else None
        if reading is None or findings.errors:
            return None
        if not frame.height:
            return _no_rows(self.plan)
        checked = [chunk for _, chunk in reading.checked("test", None)]
        if findings.errors:
            return None
        return join_batches([batch for chunk in checked for batch in encode_batches(self.encoders, chunk, len(chunk))])


def _no_rows(plan: Plan) -> Batch:
    nodes = torch.zeros(0, len(plan.levels), dtype=torch.int64)
    ids = torch.zeros(0, sum(feature.slots for feature in plan.all_features), dtype=torch.int64)
    values = torch.zeros(0, sum(feature.values for feature in plan.all_features))
    return Batch(ids, values, nodes, torch.zeros(0, len(plan.tasks.tasks)), torch.zeros(0))


def join_batches(batches: list[Batch]) -> Batch:
    """Returns the rows of several batches as one, in their order."""
    return Batch(*(torch.cat(parts) for parts in zip(*(batch.parts for batch in batches), strict=True)))


def torch_engine(run: Run, device: torch.device) -> Engine:
    """Returns an engine that scores with the run's network, as `aesm predict` does."""
    network = run.network.to(device).eval()

    def score(batch: Batch) -> Probabilities:
        with torch.inference_mode():
            log_probabilities = network(batch.to(device)).log_probability.values()
            return torch.stack([log_p.exp() for log_p in log_probabilities], dim=1).cpu().numpy()

    return Engine("torch", run.plan, run.encoders, score)


def onnx_engine(run: Run, model: Path, findings: Findings) -> Engine | None:
    """Returns an engine that scores with the run's exported model in onnxruntime.

    Args:
        run: the run, which encodes the rows.
        model: the model's file, with its description beside it.
        findings: E632 is added if the model belongs to another run, or cannot be loaded.

    Returns:
        The engine; None after E632.
    """
    if not _fits(run, model, findings):
        return None
    try:
        import onnxruntime

        session: Any = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except ModuleNotFoundError as error:
        install = "`pip install 'aesm-dsl[serve]'` installs what a server needs"
        findings.add("E632", f"a server needs the library `{error.name}`, which is not installed", help=install)
        return None
    except Exception as error:  # onnxruntime's errors have no class in common
        findings.add("E632", f"`{model}` cannot be loaded: {str(error).strip().splitlines()[0]}", help=EXPORT_AGAIN)
        return None
    tasks = [task.name for task in run.plan.tasks.tasks]

    def score(batch: Batch) -> Probabilities:
        inputs = {name: tensor.numpy() for name, tensor in named_inputs(run.plan, batch).items()}
        return np.stack(session.run(tasks, inputs), axis=1)

    return Engine("onnxruntime", run.plan, run.encoders, score)


EXPORT_AGAIN = "`aesm export RUN` writes it again"
"""Help for a model that does not fit."""


def _fits(run: Run, model: Path, findings: Findings) -> bool:
    """Whether the model, and the file of its constants if it has one, are what the description beside it says.

    That means that they have its digests, and that it has the encoders of this run; if not, E632 is added.
    """
    description = model.with_suffix(".json")
    try:
        described = json.loads(description.read_text(encoding="utf-8"))
        digests = {model: described["sha256"]}
        if data := described.get("data"):
            digests[model.with_name(data["file"])] = data["sha256"]
        features = [{name: value for name, value in each.items() if name != "input"} for each in described["features"]]
        wrong = [file for file, digest in digests.items() if digest != _digest(file)]
    except OSError as error:
        message = f"`{model}`, with `{description.name}` beside it, cannot be read: {error}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        message = f"`{description}` is no description of an exported model"
    else:
        if not wrong and features == feature_descriptions(run):
            return True
        message = f"`{model}` was exported from another run than `{run.folder}`"
        if wrong:
            message = (
                f"`{wrong[0]}` is not the {'model' if wrong == [model] else 'file'} that `{description.name}` describes"
            )
    findings.add("E632", message, help=EXPORT_AGAIN)
    return False


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
