"""`aesm export`: a run as a model file, with a description of how a row becomes the model's inputs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aesm_dsl.data.encoding.encoders import FORMAT as ENCODERS_FORMAT
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, Plan
from aesm_dsl.training.run.folder import Run
from aesm_dsl.version import VERSION

FORMAT = 1
"""Version of the description's format (docs/serving.md)."""


def model_bytes(run: Run, form: str, findings: Findings) -> bytes | None:
    """Returns the run's network as a model file.

    Args:
        run: the run.
        form: "onnx", or "pt2" for a program of torch.
        findings: E630 is added if the extra `export` is not installed.

    Returns:
        The file's content; None after E630.
    """
    if form == "pt2":
        from aesm_dsl.serving.torch_program import program_bytes

        return program_bytes(run.network.cpu())
    try:
        from aesm_dsl.serving.onnx_model import onnx_model
    except ModuleNotFoundError as error:
        findings.add(
            "E630",
            f"an export needs the library `{error.name}`, which is not installed",
            help="`pip install 'aesm-dsl[export]'` installs what exports need",
        )
        return None
    return bytes(onnx_model(run.network.cpu()).SerializeToString())


def description(run: Run, file: str, model: bytes) -> str:
    """Returns all that a server must know to turn rows into the model's inputs and to read its outputs, as JSON.

    Args:
        run: the run.
        file: name of the model's file.
        model: its content, whose digest the description holds.
    """
    plan = run.plan
    content = {
        "format": FORMAT,
        "aesm": VERSION,
        "model": plan.name,
        "file": file,
        "sha256": hashlib.sha256(model).hexdigest(),
        "encoders": ENCODERS_FORMAT,
        "features": feature_descriptions(run.encoders),
        "levels": _levels(plan),
        "outputs": [{"name": task.name, "label": task.label} for task in plan.tasks.tasks],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def feature_descriptions(encoders: Encoders) -> list[dict[str, Any]]:
    """Returns the input and the encoder of each feature, as plain values."""
    features = json.loads(encoders.to_json())["features"]
    return [{"input": f"feature.{feature['name']}", **feature} for feature in features]


def _levels(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "input": f"level.{level.name}",
            "column": level.column,
            "nodes": [{"name": node.name, "values": node.values, "parents": node.parents} for node in level.nodes],
            "unknown": UNKNOWN if level.unknown else None,
        }
        for level in plan.levels
    ]
