"""Writes tensors to a safetensors file, with the errors that a disk gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from aesm_dsl.files.whole import naming_place


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors, and texts about them. Raises OSError with the path if the file cannot be written."""
    with naming_place(path):
        save_file(dict(tensors), path, metadata=None if metadata is None else dict(metadata))
