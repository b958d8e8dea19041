"""`StreamedScores`: the scores of any number of rows in fixed memory, batch after batch. Axes: R rows, T tasks.

Log loss, entropy and calibration are exact. AUC and its interval are those of CELLS cells of the log odds:
`Score.auc_off` bounds the error of the AUC by half the share of pairs that fell into one cell. The AUC within users is
exact until there are KEPT_ROWS rows; from then on it is that of a sample of users, drawn by the user's number, all of
whose rows are kept. The same holds for the metrics within queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.score_histogram import ScoreHistogram
from aesm_dsl.training.metrics.scores import ALL, PredictedRows, Score, score, task_rows, with_queries, with_users

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
        self._users, self._queries = _Sample("user_R"), _Sample("query_R")

    def add(self, rows: PredictedRows) -> None:
        """Counts a batch."""
        for leaf, task, counted in task_rows(self._plan, rows):
            odds_R = counted.yes_R - counted.no_R
            cell_R = np.clip((odds_R + EDGE) / (2 * EDGE) * CELLS, 0, CELLS - 1).astype(np.int64)
            batch = ScoreHistogram.at(counted, cell_R, CELLS)
            before = self._cells.get((leaf, task))
            self._cells[leaf, task] = batch if before is None else before.plus(batch)
        self._users.add(rows)
        self._queries.add(rows)

    def scores(self) -> tuple[Score, ...]:
        """Returns the scores of all rows so far, in the order of `scores`."""
        results = {key: self._score(key) for key in sorted(self._cells, key=lambda key: key[0] == ALL)}
        for leaf, task, counted in task_rows(self._plan, self._users.rows(self._plan)):
            results[leaf, task] = with_users(results[leaf, task], counted)
        for leaf, task, counted in task_rows(self._plan, self._queries.rows(self._plan)):
            results[leaf, task] = with_queries(results[leaf, task], counted, self._plan)
        return tuple(results.values())

    def _score(self, key: tuple[str, str]) -> Score:
        cells = self._cells[key]
        result = score(*key, cells)
        return result if result.auc is None else replace(result, auc_off=cells.auc_off())


class _Sample:
    """All rows of a sample of the users (or of the queries), which is halved as often as there are too many rows."""

    def __init__(self, name: Literal["user_R", "query_R"]) -> None:
        self._name, self._halved, self._kept = name, 0, list[PredictedRows]()

    def add(self, rows: PredictedRows) -> None:
        """Keeps those rows of a batch that are in the sample; none if nobody is known."""
        if getattr(rows, self._name) is None:
            return
        self._kept.append(self._sampled(rows))
        while sum(len(kept.weight_R) for kept in self._kept) > KEPT_ROWS:
            self._halved += 1
            self._kept = [self._sampled(_joined(self._kept))]

    def rows(self, plan: Plan) -> PredictedRows:
        """Returns the kept rows."""
        return _joined(self._kept) if self._kept else _no_rows(plan)

    def _sampled(self, rows: PredictedRows) -> PredictedRows:
        chosen_R = getattr(rows, self._name).view(np.uint64) % np.uint64(2**self._halved) == 0
        chosen: list[Any] = [None if part is None else part[chosen_R] for part in _parts(rows)]
        return PredictedRows(*chosen)


def _no_rows(plan: Plan) -> PredictedRows:
    per_task = np.zeros((0, len(plan.tasks.tasks)))
    return PredictedRows(per_task, per_task, per_task, np.zeros((0, len(plan.levels)), np.int64), np.zeros(0))


def _joined(batches: Sequence[PredictedRows]) -> PredictedRows:
    columns = zip(*map(_parts, batches), strict=True)
    joined: list[Any] = [None if column[0] is None else np.concatenate(column) for column in columns]
    return PredictedRows(*joined)


def _parts(rows: PredictedRows) -> Any:
    return rows.yes_RT, rows.no_RT, rows.label_RT, rows.node_RL, rows.weight_R, rows.user_R, rows.query_R
