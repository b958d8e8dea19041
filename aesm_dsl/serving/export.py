"""`aesm export`: a run as a model file, with a description of how a row becomes the model's inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.data.encoding.encoders import FORMAT as ENCODERS_FORMAT
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.files.whole import replaced
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan
from aesm_dsl.serving.export_inputs import ModelInput, model_inputs
from aesm_dsl.training.run.folder import Run
from aesm_dsl.version import VERSION

if TYPE_CHECKING:
    from aesm_dsl.serving.onnx_weights import Array

FORMAT = 1
"""Version of the description's format (docs/serving.md)."""

LARGEST_MESSAGE = 2**31 - 1
"""The largest model of one file, in bytes: protobuf has no larger messages."""


def data_file(model: Path) -> Path:
    """Returns the file beside an ONNX model that holds its large constants if the model would be too large."""
    return model.with_name(f"{model.name}.data")


def description_file(model: Path) -> Path:
    """Returns the file beside a model that describes its inputs."""
    return model.with_suffix(".json")


def write_export(run: Run, form: str, file: Path, findings: Findings) -> None:
    """Writes the run's network as a model file, and its description.

    The constants of an ONNX model of more than LARGEST_MESSAGE bytes go into `data_file`.

    Args:
        run: the run.
        form: "onnx", or "pt2" for a program of torch.
        file: the model's file.
        findings: E630 is added if the extra `export` is not installed; then nothing is written.
    """
    if form == "pt2":
        from aesm_dsl.serving.torch_program import program_bytes

        content, parts = program_bytes(run.network.cpu()), None
    else:
        try:
            from aesm_dsl.serving.onnx_model import onnx_model
        except ModuleNotFoundError as error:
            findings.add(
                "E630",
                f"an export needs the library `{error.name}`, which is not installed",
                help="`pip install 'aesm-dsl[export]'` installs what exports need",
            )
            return
        model, weights = onnx_model(run.network.cpu())
        if weights.size(model) <= LARGEST_MESSAGE:
            content, parts = weights.inside(model).SerializeToString(), None
        else:
            model, parts = weights.beside(model, data_file(file).name)
            content = model.SerializeToString()
    # Nothing appears before all is written. The model appears last: a description without one is `unfinished`.
    with replaced(file) as new_model, _new_data(file, parts) as data, replaced(description_file(file)) as new:
        new_model.write_bytes(content)
        new.write_text(_description(run, form, file.name, content, data), encoding="utf-8")
    if data is None:
        data_file(file).unlink(missing_ok=True)  # of the export that this one replaces


def unfinished(file: Path) -> bool:
    """Whether what lies at the place of an export is one that was interrupted: its description came, its model not."""
    try:
        described = json.loads(description_file(file).read_text(encoding="utf-8"))
        return not file.exists() and described["file"] == file.name and "encoders" in described
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


@contextmanager
def _new_data(model: Path, parts: Iterable[Array] | None) -> Iterator[dict[str, str] | None]:
    """Yields the name and the digest of the file of large constants, which appears when the block ends."""
    if parts is None:
        yield None
        return
    digest, file = hashlib.sha256(), data_file(model)
    with replaced(file) as new:
        with new.open("wb") as stream:
            for part in parts:
                memory = part.reshape(-1).view("u1").data
                stream.write(memory)
                digest.update(memory)
        yield {"file": file.name, "sha256": digest.hexdigest()}


def _description(run: Run, form: str, file: str, model: bytes, data: dict[str, str] | None) -> str:
    """All that a server must know to turn rows into the model's inputs and to read its outputs, as JSON.

    Args:
        run: the run.
        form: "onnx" or "pt2".
        file: name of the model's file.
        model: its content, whose digest the description holds.
        data: name and digest of the file of its large constants, if it has one.
    """
    plan = run.plan
    inputs = model_inputs(plan)
    names = {(each.kind, each.owner): _name(each, form) for each in inputs}
    content = {
        "format": FORMAT,
        "aesm": VERSION,
        "model": plan.name,
        "file": file,
        "sha256": hashlib.sha256(model).hexdigest(),
        "data": data,
        "encoders": ENCODERS_FORMAT,
        "inputs": [
            {
                "name": _name(each, form),
                "type": each.datatype,
                "shape": ["rows"] if each.slots is None else ["rows", each.slots],
            }
            for each in inputs
        ],
        "features": [{"input": names["feature", feature["name"]], **feature} for feature in feature_descriptions(run)],
        "levels": [{"input": names["level", level.name], **_level(level)} for level in plan.levels],
        "outputs": [{"name": task.name, "label": task.label} for task in plan.tasks.tasks],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _name(each: ModelInput, form: str) -> str:
    return each.argument if form == "pt2" else each.name


def feature_descriptions(run: Run) -> list[dict[str, Any]]:
    """Returns the encoder of each feature of the model, as plain values."""
    served = Encoders(run.encoders.encoders[: len(run.plan.features)])
    features: list[dict[str, Any]] = json.loads(served.to_json())["features"]
    return features


def _level(level: LevelPlan) -> dict[str, Any]:
    return {
        "column": level.column,
        "nodes": [{"name": node.name, "values": node.values, "parents": node.parents} for node in level.nodes],
        "unknown": UNKNOWN if level.unknown else None,
    }
