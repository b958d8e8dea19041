"""`StreamedScores`: the scores of any number of rows in fixed memory, batch after batch. Axes: R rows, T tasks.

Log loss, entropy and calibration are exact. AUC and its interval are those of CELLS cells of the log odds:
`Score.auc_off` bounds the error of the AUC by half the share of pairs that fell into one cell. The AUC within users is
exact until there are KEPT_ROWS rows; from then on it is that of a sample of users, drawn by the user's number, all of
whose rows are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.score_histogram import ScoreHistogram
from aesm_dsl.training.metrics.scores import ALL, PredictedRows, Score, score, task_rows, with_users

CELLS = 16_384
"""Cells of log odds between -EDGE and EDGE, and the two outermost ones beyond."""

EDGE = 16.0

KEPT_ROWS = 1_000_000


class StreamedScores:
    """Adds up batches of predicted rows, in fixed memory."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Every leaf and task is there from the start, in order, with rows or without.
        none = _no_rows(plan)
        self._cells = {
            (leaf, task): ScoreHistogram.at(rows, np.zeros(0, np.int64), CELLS)
            for leaf, task, rows in task_rows(plan, none)
        }
        self._kept: list[PredictedRows] = []
        self._halved, self._kept_rows = 0, 0

    def add(self, rows: PredictedRows) -> None:
        """Counts a batch."""
        for leaf, task, counted in task_rows(self._plan, rows):
            odds_R = counted.yes_R - counted.no_R
            cell_R = np.clip((odds_R + EDGE) / (2 * EDGE) * CELLS, 0, CELLS - 1).astype(np.int64)
            batch = ScoreHistogram.at(counted, cell_R, CELLS)
            before = self._cells.get((leaf, task))
            self._cells[leaf, task] = batch if before is None else before.plus(batch)
        if rows.user_R is not None:
            self._keep(rows)

    def scores(self) -> tuple[Score, ...]:
        """Returns the scores of all rows so far, in the order of `scores`."""
        results = {key: self._score(key) for key in sorted(self._cells, key=lambda key: key[0] == ALL)}
        if self._kept:
            for leaf, task, counted in task_rows(self._plan, _joined(self._kept)):
                results[leaf, task] = with_users(results[leaf, task], counted)
        return tuple(results.values())

    def _score(self, key: tuple[str, str]) -> Score:
        cells = self._cells[key]
        result = score(*key, cells)
        return result if result.auc is None else replace(result, auc_off=cells.auc_off())

    def _keep(self, rows: PredictedRows) -> None:
        """Keeps the rows of the users in the sample; halves the sample as often as there are too many rows."""
        self._kept.append(self._sampled(rows))
        self._kept_rows += len(self._kept[-1].weight_R)
        while self._kept_rows > KEPT_ROWS:
            self._halved += 1
            self._kept = [self._sampled(_joined(self._kept))]
            self._kept_rows = len(self._kept[0].weight_R)

    def _sampled(self, rows: PredictedRows) -> PredictedRows:
        assert rows.user_R is not None
        chosen_R = rows.user_R.view(np.uint64) % np.uint64(2**self._halved) == 0
        return PredictedRows(*(part[chosen_R] for part in _parts(rows)))


def _no_rows(plan: Plan) -> PredictedRows:
    per_task = np.zeros((0, len(plan.tasks.tasks)))
    return PredictedRows(per_task, per_task, per_task, np.zeros((0, len(plan.levels)), np.int64), np.zeros(0))


def _joined(batches: Sequence[PredictedRows]) -> PredictedRows:
    return PredictedRows(*map(np.concatenate, zip(*map(_parts, batches), strict=True)))


def _parts(rows: PredictedRows) -> Any:
    return rows.yes_RT, rows.no_RT, rows.label_RT, rows.node_RL, rows.weight_R, rows.user_R
