"""`OutsideRun`: a model from outside, fitted and measured, and the folder that keeps it.

outside.json      the manifest: what it is, what was chosen, its size, and its scores
spec.aesm         the resolved spec whose rows it learnt from
predictions.npz   what it predicts for the rows that it was measured on, and what was observed
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aesm_dsl.data.prepare import Prepared
from aesm_dsl.files.manifest import DamagedError, OtherFormatError, open_manifest, write_manifest
from aesm_dsl.files.whole import replaced_folder
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.scores import PredictedRows, Score, scores
from aesm_dsl.training.outside.boosted_trees import fit_boosted_trees
from aesm_dsl.training.outside.cells import OutsideRows, outside_rows
from aesm_dsl.training.outside.logistic import fit_logistic
from aesm_dsl.training.outside.notes import notes
from aesm_dsl.training.outside.task_fit import Settings, TaskFit

FORMAT = 1
"""Version of outside.json."""
MANIFEST, SPEC, PREDICTIONS = "outside.json", "spec.aesm", "predictions.npz"

Fit = Callable[[OutsideRows, OutsideRows, OutsideRows, int, Sequence[Settings]], list[TaskFit]]

MODELS: dict[str, Fit] = {"logistic": fit_logistic, "lightgbm": fit_boosted_trees}

PARTS_OF = {"logistic": "weights", "lightgbm": "trees"}
"""What the size of a model counts."""

WITHOUT_CHANCE = ("logistic",)
"""Models that are the same for every seed."""


@dataclass(frozen=True, slots=True)
class OutsideRun:
    """A model from outside: one model for each task, over all leaves."""

    folder: Path
    """Where it is kept."""
    model: str
    seed: int
    spec: str
    """The resolved spec whose rows it learnt from."""
    measured_on: str
    """The part that it was measured on: "test" or "valid"."""
    settings: tuple[Settings, ...]
    """What was chosen by the validation rows, for every task."""
    size: int
    """Trees or weights of the models of all tasks."""
    notes: tuple[str, ...]
    """What it does not read, and what it reads in a way of its own."""
    scores: tuple[Score, ...]
    rows: PredictedRows


def fit_outside(
    plan: Plan,
    prepared: Prepared,
    model: str,
    seed: int,
    *,
    chosen: Sequence[Settings],
) -> OutsideRun:
    """Fits a model on the training rows of a plan, and measures it where the plan's networks are measured.

    Args:
        plan: of the rows.
        prepared: the rows of all parts, encoded; validation rows are among them.
        model: "logistic" or "lightgbm".
        seed: of whatever chance there is.
        chosen: settings for every task; empty to choose them by the validation rows.

    Returns:
        The run, without a folder and the text of its spec.
    """
    tables = prepared.tables
    assert tables.valid is not None
    part, table = tables.measured
    train, valid = (outside_rows(plan, one, prepared.vectors) for one in (tables.train, tables.valid))
    measured = valid if part == "valid" else outside_rows(plan, table, prepared.vectors)
    fits = MODELS[model](train, valid, measured, seed, chosen)
    rows = measured.predicted(np.column_stack([fit.log_odds_R for fit in fits]))
    return OutsideRun(
        Path(),
        model,
        seed,
        "",
        part,
        tuple(fit.settings for fit in fits),
        sum(fit.size for fit in fits),
        notes(plan, model, prepared.encoders.rows()),
        scores(plan, rows),
        rows,
    )


def save_outside_run(run: OutsideRun) -> None:
    """Writes the folder of a model, whole or not at all, in place of an older one.

    Raises:
        OSError: it cannot be written.
    """
    known = {name: value for name, value in asdict(run.rows).items() if value is not None}
    values = {
        "model": run.model,
        "seed": run.seed,
        "measured on": run.measured_on,
        "settings": list(run.settings),
        "size": run.size,
        "notes": list(run.notes),
        "scores": [asdict(score) for score in run.scores],
    }
    with replaced_folder(run.folder, overwrite=True) as new:
        (new / SPEC).write_text(run.spec, encoding="utf-8")
        np.savez(new / PREDICTIONS, **known)
        write_manifest(new, MANIFEST, FORMAT, values)


def load_outside_run(folder: Path) -> OutsideRun | None:
    """Returns the model of a folder; None if there is none, or it is not as it was written."""
    try:
        values: dict[str, Any] = open_manifest(folder, MANIFEST, FORMAT, required=(SPEC, PREDICTIONS))
        with np.load(folder / PREDICTIONS, allow_pickle=False) as stored:
            rows = PredictedRows(**dict(stored))
        return OutsideRun(
            folder,
            values["model"],
            values["seed"],
            (folder / SPEC).read_text(encoding="utf-8"),
            values["measured on"],
            tuple(values["settings"]),
            values["size"],
            tuple(values["notes"]),
            read_json(tuple[Score, ...], json.dumps(values["scores"])),
            rows,
        )
    except (DamagedError, OtherFormatError, OSError, ValueError, KeyError, TypeError):
        return None
