"""`lightgbm`: gradient boosted trees by LightGBM for each task, over all leaves.

What it reads is a matrix with a column for each feature: numbers as they are, buckets and parts of dates as numbers in
their order, and every other id as a category of LightGBM's own. Of a list it reads the first value in its slots and how
many there are, and of a vector every number. Axes: R rows, C columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aesm_dsl.plan.plan import MISSING
from aesm_dsl.training.metrics.scores import Whole
from aesm_dsl.training.outside.cells import IdCells, OutsideRows, Singles
from aesm_dsl.training.outside.seen_ids import SeenIds
from aesm_dsl.training.outside.task_fit import Counted, Settings, TaskFit, constant, counted, judged

MOST_CATEGORIES = 4096
"""Ids of a feature that are categories of their own: the most frequent in training rows. All others are one category
together, which LightGBM would otherwise sort again in every leaf of every tree."""

SHAPES: tuple[Settings, ...] = (
    {"num_leaves": 15, "min_data_in_leaf": 50},
    {"num_leaves": 31, "min_data_in_leaf": 20},
    {"num_leaves": 63, "min_data_in_leaf": 100},
    {"num_leaves": 127, "min_data_in_leaf": 200},
)
"""Tried first, with RATE."""
RATE: Settings = {"learning_rate": 0.05}
SLOWER: Settings = {"learning_rate": 0.02}
"""Tried with the best of the shapes."""
SMOOTHER: Settings = {"cat_smooth": 100, "cat_l2": 50}
"""Tried with the best so far, if there are categories: they count by the rows they have."""

MOST_TREES, PATIENCE, TREES_UNJUDGED = 3000, 50, 100
"""Trees at most; trees without a better validation AUC after which no more are grown; trees if nothing can judge."""


@dataclass(frozen=True, slots=True)
class TreeMatrices:
    """The rows of every part, in the same columns."""

    parts: tuple[Singles, ...]
    names: tuple[str, ...]
    categories: tuple[int, ...]
    """The columns that are categories."""


def fit_boosted_trees(
    train: OutsideRows, valid: OutsideRows, measured: OutsideRows, seed: int, chosen: Sequence[Settings]
) -> list[TaskFit]:
    """Fits a model for every task; settings and the number of trees are chosen by the validation rows.

    Args:
        train: what the trees are grown on.
        valid: what settings are chosen by, and how many trees there are.
        measured: the rows that are predicted.
        seed: draws the rows and columns of every tree.
        chosen: settings for every task; empty to choose them.
    """
    matrices = tree_matrices((train, valid, measured))
    fits = []
    for task in range(train.label_RT.shape[1]):
        rows, judges = counted(train, task), counted(valid, task)
        if not rows.has_both:
            fits.append(constant(rows, len(measured.label_RT)))
            continue
        grower = _Grower(matrices, rows, judges, seed)
        settings = chosen[task] if chosen else grower.searched()
        booster = grower.grown(settings)
        log_odds_R = booster.predict(matrices.parts[2], raw_score=True)
        fits.append(TaskFit(log_odds_R, settings, booster.best_iteration or booster.current_iteration()))
    return fits


def tree_matrices(parts: Sequence[OutsideRows]) -> TreeMatrices:
    """Returns a matrix (R, C) for each part; which ids are categories of their own is what the first part says."""
    columns: list[list[Singles]] = [[] for _ in parts]
    names: list[str] = []
    categories: list[int] = []
    for place, own in enumerate(parts[0].cells):
        if not isinstance(own, IdCells):
            names += [own.name] * own.value_RG.shape[1]
            for part, of_part in zip(parts, columns, strict=True):
                of_part += list(part.cells[place].value_RG.T)  # type: ignore[union-attr]
            continue
        categories += [] if own.ordered else [len(names)]
        names.append(own.name)
        several = own.id_RK.shape[1] > 1
        seen = SeenIds.of(own.id_RK[own.id_RK[:, 0] > MISSING, 0], MOST_CATEGORIES)
        for part, of_part in zip(parts, columns, strict=True):
            id_RK: Whole = part.cells[place].id_RK  # type: ignore[union-attr]
            of_part.append(_in_order(id_RK[:, 0]) if own.ordered else _categories(id_RK[:, 0], seen))
            of_part += [(id_RK >= 0).sum(axis=1).astype(np.float32)] if several else []
        names += [f"length of {own.name}"] if several else []
    return TreeMatrices(tuple(map(np.column_stack, columns)), tuple(names), tuple(categories))


def _in_order(id_R: Whole) -> Singles:
    """The ids as numbers; NaN for a missing value."""
    return np.where(id_R > MISSING, id_R, np.nan).astype(np.float32)


def _categories(id_R: Whole, seen: SeenIds) -> Singles:
    """The codes of the ids; NaN for a missing value, and for ids that no training row has.

    If there are more ids than codes, those without one have the code after the last.
    """
    code_R = seen.codes(id_R).astype(np.float32)
    code_R[code_R < 0] = np.nan if seen.complete else len(seen.id_N)
    code_R[id_R <= MISSING] = np.nan
    return code_R


class _Grower:
    """Grows trees for one task: on the training rows, with as many trees as the validation rows ask for."""

    def __init__(self, matrices: TreeMatrices, rows: Counted, judges: Counted, seed: int) -> None:
        import lightgbm
        import torch

        self._lightgbm, self._judges = lightgbm, judges
        of_train, of_valid, _ = matrices.parts
        self._of_valid, self._has_categories = of_valid[judges.row_R], bool(matrices.categories)
        self._fixed = {
            "objective": "binary",
            "metric": "auc" if judges.has_both else "binary_logloss",
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "feature_fraction": 0.8,
            "seed": seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": torch.get_num_threads(),
            # The settings that are tried share one table of bins.
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        columns: dict[str, Any] = {"categorical_feature": list(matrices.categories), "params": self._fixed}
        columns["free_raw_data"] = False
        self._train = lightgbm.Dataset(of_train[rows.row_R], rows.label_R, weight=rows.weight_R, **columns)
        self._valid = lightgbm.Dataset(
            self._of_valid, judges.label_R, weight=judges.weight_R, reference=self._train, **columns
        )

    def grown(self, settings: Settings) -> Any:
        """Returns a booster with these settings, and as many trees as are best by the validation rows."""
        parameters = {**self._fixed, **settings}
        if not len(self._judges.row_R):
            return self._lightgbm.train(parameters, self._train, TREES_UNJUDGED)
        stop = self._lightgbm.early_stopping(PATIENCE, verbose=False)
        return self._lightgbm.train(parameters, self._train, MOST_TREES, valid_sets=[self._valid], callbacks=[stop])

    def searched(self) -> Settings:
        """Returns the settings that are best by the validation rows: a shape, a slower rate, smoother categories."""
        if not len(self._judges.row_R):
            return {**SHAPES[0], **RATE}
        best, value = SHAPES[0], -np.inf
        for shape in SHAPES:
            best, value = self._better(best, value, {**shape, **RATE})
        best, value = self._better(best, value, {**best, **SLOWER})
        if self._has_categories:
            best, value = self._better(best, value, {**best, **SMOOTHER})
        return best

    def _better(self, best: Settings, value: float, tried: Settings) -> tuple[Settings, float]:
        booster = self.grown(tried)
        own = judged(booster.predict(self._of_valid, raw_score=True), self._judges)
        return (tried, own) if own > value else (best, value)
