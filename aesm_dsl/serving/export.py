"""Run -> what a server needs without aesm: an ONNX model, and beside it what turns rows into the model's inputs."""

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
"""Version of the description; docs/serving.md says what is in it."""


def model_bytes(run: Run, form: str, findings: Findings) -> bytes | None:
    """The run's network as "onnx" or "pt2", a program of torch; None after adding E630 without the extra `export`."""
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
    """JSON: all that a server must know to make the inputs of the model `file` of a row, and to read its outputs."""
    plan = run.plan
    said = {
        "format": FORMAT,
        "aesm": VERSION,
        "model": plan.name,
        "file": file,
        "sha256": hashlib.sha256(model).hexdigest(),
        "encoders": ENCODERS_FORMAT,
        "features": described_features(run.encoders),
        "levels": _levels(plan),
        "outputs": [{"name": task.name, "label": task.label} for task in plan.tasks.tasks],
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def described_features(encoders: Encoders) -> list[dict[str, Any]]:
    """Of each feature its input and encoder, as JSON holds them."""
    return [{"input": f"feature.{one['name']}", **one} for one in json.loads(encoders.to_json())["features"]]


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
