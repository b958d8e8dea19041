"""`Checkpoints`: files from which training goes on where it stopped. Tensors as safetensors, all else as JSON in it.

step-00000400.safetensors  everything that the steps after step 400 depend on; the last two are kept
best-00000300.safetensors  the best weights so far, of step 300, for the checkpoints that refer to them

A file appears whole or not at all, and holds a digest of all that is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FORMAT = 2
"""Version of a checkpoint; one of another version is not gone on from."""

KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    step: int
    state: dict[str, Any]
    best: dict[str, Tensor] | None
    """The best weights so far; None while there are none, or none are kept."""


class Checkpoints:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, state: Mapping[str, Any], best: tuple[int, dict[str, Tensor]] | None) -> None:
        """Writes the checkpoint of a step, and removes those before the last two.

        state  dicts, lists, tuples, numbers, texts and tensors, in each other
        best   the best weights and their step
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if best is not None and not self._best(best[0]).exists():
            _write(self._best(best[0]), best[1])
        _write(self._step(step), {"format": FORMAT, "best": None if best is None else best[0], "state": state})
        steps = self.steps()
        for old in steps[:-KEPT]:
            self._step(old).unlink()
        referred = {self._best(one) for one in (_refers(self._step(kept)) for kept in steps[-KEPT:]) if one is not None}
        for path in set(self.folder.glob("best-*.safetensors")) - referred:
            path.unlink()
        for path in self.folder.glob(".*.new"):
            path.unlink()

    def steps(self) -> list[int]:
        """Steps that there are checkpoints of, in order."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.safetensors"))

    def last(self) -> tuple[Checkpoint | None, list[int]]:
        """The last checkpoint that is sound and of this version; the steps of later ones that are not, now removed."""
        damaged: list[int] = []
        for step in reversed(self.steps()):
            try:
                return self.of(step), damaged
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                damaged.append(step)
                self._step(step).unlink()
        return None, damaged

    def of(self, step: int) -> Checkpoint:
        """That of a step; raises OSError, ValueError, KeyError, TypeError or SafetensorError where it is not sound."""
        found = _read(self._step(step))
        if found["format"] != FORMAT:
            raise ValueError(found["format"])
        best = None if found["best"] is None else _read(self._best(found["best"]))
        return Checkpoint(step, found["state"], best)

    def _step(self, step: int) -> Path:
        return self.folder / f"step-{step:08}.safetensors"

    def _best(self, step: int) -> Path:
        return self.folder / f"best-{step:08}.safetensors"


def _write(path: Path, values: Any) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(values, tensors))
    new = path.with_name(f".{path.name}.new")
    save_file(tensors, new, metadata={"values": text, "sha256": _digest(text, tensors)})
    with new.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(new, path)


def _read(path: Path) -> Any:
    """What was written; raises ValueError where that is not what the file holds."""
    with safe_open(path, "pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if about["sha256"] != _digest(about["values"], tensors):
        raise ValueError(f"{path} is damaged")
    return _unpacked(json.loads(about["values"]), tensors)


def _refers(path: Path) -> int | None:
    """Step of the best weights that a checkpoint refers to."""
    try:
        with safe_open(path, "pt") as file:
            best = json.loads(file.metadata()["values"])["dict"]
            return next((value for key, value in best if key == "best"), None)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value for JSON, its tensors by number; keys and tuples come back as they were."""
    match value:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        case Mapping():
            return {"dict": [[_packed(key, tensors), _packed(one, tensors)] for key, one in value.items()]}
        case tuple():
            return {"tuple": [_packed(one, tensors) for one in value]}
        case list():
            return [_packed(one, tensors) for one in value]
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": pairs}:
            return {_unpacked(key, tensors): _unpacked(one, tensors) for key, one in pairs}
        case {"tuple": parts}:
            return tuple(_unpacked(one, tensors) for one in parts)
        case list():
            return [_unpacked(one, tensors) for one in value]
    return value
