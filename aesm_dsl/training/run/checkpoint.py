"""`Checkpoints`: files from which a training goes on where it stopped. Tensors are safetensors, all else is JSON in it.

step-00000400.safetensors  everything that the steps after step 400 depend on; the last two are kept
best-00000300.safetensors  the best weights so far, of step 300, for the checkpoints that refer to them

A file appears whole or not at all, and holds a digest of everything in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aesm_dsl.files.whole import replaced
from aesm_dsl.training.run.tensor_file import write_tensors

FORMAT = 2
"""Version of a checkpoint; a training does not go on from another version."""

KEPT = 2
"""Checkpoints that are kept."""

NAME = re.compile(r"(step|best)-(\d{8,})\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a training after a step."""

    step: int
    state: dict[str, Any]
    best: dict[str, Tensor] | None
    """The best weights so far; None if there are none yet, or the training keeps none."""


class Checkpoints:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, state: Mapping[str, Any], best: tuple[int, dict[str, Tensor]] | None) -> None:
        """Writes the checkpoint of a step, and removes all but the last two.

        Args:
            step: the step.
            state: dicts, lists, tuples, numbers, texts and tensors, nested in any way.
            best: step and weights of the best epoch so far.

        Raises:
            OSError: it cannot be written; the checkpoints before stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if best is not None and not self._best(best[0]).exists():
            _write(self._best(best[0]), best[1])
        _write(self._step(step), {"format": FORMAT, "best": None if best is None else best[0], "state": state})
        steps = self.steps()
        for old in steps[:-KEPT]:
            self._step(old).unlink()
        referred = {at for kept in steps[-KEPT:] if (at := _best_step(self._step(kept))) is not None}
        for at in set(self._numbers("best")) - referred:
            self._best(at).unlink()

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint, in order."""
        return self._numbers("step")

    def strays(self) -> list[str]:
        """Returns the names of files in the folder that are no checkpoints."""
        if not self.folder.is_dir():
            return []
        names = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
        return sorted(name for name in names if not NAME.fullmatch(name) or not (self.folder / name).is_file())

    def _numbers(self, kind: str) -> list[int]:
        """The steps of the files of this kind, in order."""
        if not self.folder.is_dir():
            return []
        found = [NAME.fullmatch(path.name) for path in self.folder.iterdir() if path.is_file()]
        return sorted(int(match[2]) for match in found if match is not None and match[1] == kind)

    def last(self) -> tuple[Checkpoint | None, list[int]]:
        """Returns the last checkpoint that can be read, and the steps of later ones that cannot; those are removed."""
        damaged: list[int] = []
        for step in reversed(self.steps()):
            try:
                return self.of(step), damaged
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                damaged.append(step)
                self._step(step).unlink()
        return None, damaged

    def of(self, step: int) -> Checkpoint:
        """Returns the checkpoint of a step.

        Raises:
            OSError, ValueError, KeyError, TypeError, SafetensorError: it is damaged, or of another version.
        """
        values = _read(self._step(step))
        if values["format"] != FORMAT:
            raise ValueError(values["format"])
        best = None if values["best"] is None else _read(self._best(values["best"]))
        return Checkpoint(step, values["state"], best)

    def _step(self, step: int) -> Path:
        return self.folder / f"step-{step:08}.safetensors"

    def _best(self, step: int) -> Path:
        return self.folder / f"best-{step:08}.safetensors"


def _write(path: Path, values: Any) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(values, tensors))
    with replaced(path) as new:
        write_tensors(new, tensors, {"values": text, "sha256": _digest(text, tensors)})


def _read(path: Path) -> Any:
    """Returns what was written. Raises ValueError if the digest is not that of the file's content."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if metadata["sha256"] != _digest(metadata["values"], tensors):
        raise ValueError(f"{path} is damaged")
    return _unpacked(json.loads(metadata["values"]), tensors)


def _best_step(path: Path) -> int | None:
    """The step of the best weights that a checkpoint refers to; None if there are none, or it cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            best = json.loads(file.metadata()["values"])["dict"]
            return next((value for key, value in best if key == "best"), None)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON has it: tensors by number, and dicts and tuples marked, so that they come back as they were."""
    match value:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        case Mapping():
            return {"dict": [[_packed(key, tensors), _packed(inner, tensors)] for key, inner in value.items()]}
        case tuple():
            return {"tuple": [_packed(inner, tensors) for inner in value]}
        case list():
            return [_packed(inner, tensors) for inner in value]
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": pairs}:
            return {_unpacked(key, tensors): _unpacked(inner, tensors) for key, inner in pairs}
        case {"tuple": parts}:
            return tuple(_unpacked(inner, tensors) for inner in parts)
        case list():
            return [_unpacked(inner, tensors) for inner in value]
    return value
