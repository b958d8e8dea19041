"""`Streamed`: the scores of any number of rows in fixed memory, batch after batch. Axes: R rows, T tasks.

Log loss, entropy and calibration are those of the rows, exactly. AUC and its interval are those of CELLS cells of the
log odds: `Score.auc_off` says how far the AUC can be from that of the rows, half the share of pairs that fell into one
cell. The AUC within users is that of all users until they have KEPT_ROWS rows; from then on of a sample of users, drawn
by the number of each, all of whose rows are kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.binned_scores import Cells
from aesm_dsl.training.metrics.scores import ALL, Floats, Score, Whole, parts, score_cells, with_users

CELLS = 16_384
"""Cells of log odds between -EDGE and EDGE, and the two outermost ones beyond."""

EDGE = 16.0

KEPT_ROWS = 1_000_000


class Streamed:
    def __init__(self, plan: Plan) -> None:
        self._plan, self._names = plan, [task.name for task in plan.tasks.tasks]
        no, node, tasks = np.zeros(0), np.zeros((0, len(plan.levels)), np.int64), np.zeros((0, len(self._names)))
        self._cells = {
            (leaf, task): Cells.at(seen, CELLS, no, no, no, no) for leaf, task, seen in parts(plan, tasks, node, no)
        }
        self._kept: list[tuple[Whole, Floats, Floats, Whole, Floats]] = []
        self._halved, self._rows = 0, 0

    def add(
        self,
        yes_RT: Floats,
        no_RT: Floats,
        label_RT: Floats,
        node_RL: Whole,
        weight_R: Floats,
        user_R: Whole | None = None,
    ) -> None:
        """Counts a batch; what the rows are says `metric.scores`."""
        for leaf, task, seen in parts(self._plan, label_RT, node_RL, weight_R):
            column = (seen, self._names.index(task))
            odds_R = yes_RT[column] - no_RT[column]
            place_R = np.clip((odds_R + EDGE) / (2 * EDGE) * CELLS, 0, CELLS - 1).astype(np.int64)
            found = Cells.at(place_R, CELLS, yes_RT[column], no_RT[column], label_RT[column], weight_R[seen])
            before = self._cells.get((leaf, task))
            self._cells[leaf, task] = found if before is None else before.plus(found)
        if user_R is not None:
            self._keep((user_R, yes_RT, label_RT, node_RL, weight_R))

    def scores(self) -> tuple[Score, ...]:
        """Of all rows so far, in the order of `metric.scores`."""
        found = {key: self._score(key) for key in sorted(self._cells, key=lambda key: key[0] == ALL)}
        if self._kept:
            user_R, yes_RT, label_RT, node_RL, weight_R = self._joined()
            for leaf, task, seen in parts(self._plan, label_RT, node_RL, weight_R):
                key, column = (leaf, task), (seen, self._names.index(task))
                found[key] = with_users(found[key], user_R[seen], yes_RT[column], label_RT[column], weight_R[seen])
        return tuple(found.values())

    def _score(self, key: tuple[str, str]) -> Score:
        cells = self._cells[key]
        own = score_cells(*key, cells)
        return own if own.auc is None else replace(own, auc_off=cells.auc_off())

    def _keep(self, rows: tuple[Whole, Floats, Floats, Whole, Floats]) -> None:
        """Halves the sample of users as often as there are too many rows."""
        self._kept.append(self._sample(rows))
        self._rows += len(self._kept[-1][0])
        while self._rows > KEPT_ROWS:
            self._halved += 1
            self._kept = [self._sample(self._joined())]
            self._rows = len(self._kept[0][0])

    def _sample(self, rows: tuple[Whole, Floats, Floats, Whole, Floats]) -> Any:
        chosen_R = rows[0].view(np.uint64) % np.uint64(2**self._halved) == 0
        return tuple(part[chosen_R] for part in rows)

    def _joined(self) -> Any:
        return tuple(np.concatenate(part) for part in zip(*self._kept, strict=True))
