"""`logistic`: a logistic regression by scikit-learn for each task, over all leaves.

What it reads is a sparse matrix. Every id that training rows have is a column with 1, also the one for a missing value;
of a list every value counts 1 / their number, and a number is standardised by the training rows, with a column
beside it that is 1 where it is missing. Axes: R rows, C columns, G numbers of a feature.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from aesm_dsl.training.metrics.scores import Floats
from aesm_dsl.training.outside.cells import IdCells, NumberCells, OutsideRows
from aesm_dsl.training.outside.seen_ids import SeenIds
from aesm_dsl.training.outside.task_fit import Counted, Settings, TaskFit, constant, counted, judged

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Values of scikit-learn's C, from the strongest regularisation to the weakest; none is tried after one that is worse
than the one before it."""

MOST_ITERATIONS = 300


def fit_logistic(
    train: OutsideRows, valid: OutsideRows, measured: OutsideRows, seed: int, chosen: Sequence[Settings]
) -> list[TaskFit]:
    """Fits a model for every task; C is chosen by the validation rows.

    Args:
        train: what the models are fitted on.
        valid: what C is chosen by.
        measured: the rows that are predicted.
        seed: has no effect: there is no chance in it.
        chosen: settings for every task; empty to choose them.
    """
    of_train, of_valid, of_measured = sparse_matrices((train, valid, measured))
    fits = []
    for task in range(train.label_RT.shape[1]):
        rows, judges = counted(train, task), counted(valid, task)
        if not rows.has_both:
            fits.append(constant(rows, len(measured.label_RT)))
            continue
        strengths = (chosen[task]["C"],) if chosen else STRENGTHS
        model, best = _chosen(of_train[rows.row_R], rows, of_valid[judges.row_R], judges, strengths=strengths)
        fits.append(TaskFit(model.decision_function(of_measured), {"C": best}, of_train.shape[1] + 1))
    return fits


def sparse_matrices(parts: Sequence[OutsideRows]) -> list[Any]:
    """Returns a sparse matrix (R, C) for each part; its columns are what the first part has."""
    from scipy import sparse  # takes long to load, and only this needs it

    first, *_ = parts
    blocks: list[list[Any]] = [[] for _ in parts]
    for place, own in enumerate(first.cells):
        if isinstance(own, IdCells):
            seen = SeenIds.of(own.id_RK[own.id_RK >= 0])
            for part, block in zip(parts, blocks, strict=True):
                block.append(_one_hot(part.cells[place], seen))
        else:
            mean_G, deviation_G = _moments(own)
            for part, block in zip(parts, blocks, strict=True):
                block.append(_standardised(part.cells[place], mean_G, deviation_G))
    return [sparse.hstack(block, format="csr", dtype=np.float64) for block in blocks]


def _one_hot(cells: Any, seen: SeenIds) -> Any:
    """A row's ids, each with the weight 1 / their number; ids that no training row has are left out."""
    from scipy import sparse

    code_RK = seen.codes(cells.id_RK)
    row_I, slot_I = np.nonzero(code_RK >= 0)
    present_R = np.maximum((cells.id_RK >= 0).sum(axis=1), 1)
    shape = len(code_RK), len(seen.id_N)
    return sparse.csr_matrix((1.0 / present_R[row_I], (row_I, code_RK[row_I, slot_I])), shape=shape)


def _moments(cells: NumberCells) -> tuple[Floats, Floats]:
    """Mean and deviation of the numbers that are there."""
    known_RG = np.isfinite(cells.value_RG)
    count_G = np.maximum(known_RG.sum(axis=0), 1)
    value_RG = np.where(known_RG, cells.value_RG, 0.0).astype(np.float64)
    mean_G = value_RG.sum(axis=0) / count_G
    square_G = (np.where(known_RG, value_RG - mean_G, 0.0) ** 2).sum(axis=0) / count_G
    return mean_G, np.where(square_G > 0, np.sqrt(square_G), 1.0)


def _standardised(cells: Any, mean_G: Floats, deviation_G: Floats) -> Any:
    """The numbers, 0 where one is missing, and a column of their own for that."""
    from scipy import sparse

    known_RG = np.isfinite(cells.value_RG)
    value_RG = np.where(known_RG, (cells.value_RG - mean_G) / deviation_G, 0.0)
    return sparse.csr_matrix(np.column_stack([value_RG, ~known_RG.all(axis=1)]).astype(np.float64))


def _chosen(
    of_train: Any, rows: Counted, of_valid: Any, judges: Counted, *, strengths: Sequence[float]
) -> tuple[Any, float]:
    """The model that is best by the validation rows, and its C; without such rows the middle one."""
    if not len(judges.row_R):
        middle = strengths[len(strengths) // 2]
        return _fitted(of_train, rows, middle), middle
    best: tuple[float, Any, float] | None = None
    for strength in strengths:
        model = _fitted(of_train, rows, strength)
        value = judged(model.decision_function(of_valid), judges)
        if best is not None and value <= best[0]:
            break
        best = value, model, strength
    assert best is not None
    return best[1], best[2]


def _fitted(of_train: Any, rows: Counted, strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(of_train, rows.label_R, sample_weight=rows.weight_R)
