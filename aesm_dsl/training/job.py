"""`Job`: what a training is asked to do, beside its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.training.run.folder import Run


@dataclass(frozen=True, slots=True)
class Job:
    """What a training is asked to do, beside its plan."""

    spec: str
    """Text of the resolved spec."""
    folder: Path
    """Folder of the run."""
    roots: Sequence[Path]
    """Folders in which relative paths of tables are looked up."""
    device: str
    """Name of the device: "auto", "cpu", "cuda" or "cuda:1"."""
    overwrite: bool
    """Replace a run in `folder`."""
    resume: bool
    """Go on from the last checkpoint of a training that was stopped."""
    warm_start: Run | None = None
    """A run whose weights the network starts with, wherever they mean the same."""
    mlflow: bool = False
    """Log the training to MLflow."""
