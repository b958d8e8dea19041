"""`Profile`: what the training rows are like, counted in the one pass that checks them.

Rows and rates per node and leaf, missing cells per feature and node, correlation of the tasks per leaf, users that
nodes share. All exact but the users (users.py) and what a sample says about likeness (likeness.py). Memory follows
nodes x features and leaves x tasks. Axes: R rows, N leaves or nodes, F features, T tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.checks.constant_features import cells_as_text
from aesm_dsl.data.checks.leaf_similarity import leaf_similarity
from aesm_dsl.data.checks.leaves import LeafIndex
from aesm_dsl.data.checks.user_overlap import UserOverlap
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.data.reading.values import Mask, is_missing
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, Plan

FORMAT = 1
"""Version of the profile's JSON form."""


class Profile:
    def __init__(self, plan: Plan) -> None:
        self._plan, self._index, self._sample = plan, LeafIndex(plan), RowSample(plan)
        leaves, tasks, features = len(self._index.names), len(plan.tasks.tasks), len(plan.reading)
        sizes = [len(level.nodes) for level in plan.levels]
        self._rows: dict[str, int] = {}
        self._rows_N = np.zeros(leaves, dtype=np.int64)
        self._known_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        """Rows on which both tasks have a label; on the diagonal, on which one has."""
        self._ones_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        """Rows on which the first task happened and the second has a label."""
        self._both_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        self._node_rows = [np.zeros(size, dtype=np.int64) for size in sizes]
        self._missing_F = np.zeros(features, dtype=np.int64)
        self._missing = [np.zeros((size, features), dtype=np.int64) for size in sizes]
        self._users = [UserOverlap(size) for size in sizes]

    def update(self, chunk: CheckedRows) -> None:
        self._rows[chunk.part] = self._rows.get(chunk.part, 0) + len(chunk)
        if chunk.part != "train" or not len(chunk):
            return
        self._sample.update(chunk)
        self._tasks(chunk)
        empty_RF = np.column_stack([_missing(chunk.rows.frame[feature.column]) for feature in self._plan.reading])
        self._missing_F += empty_RF.sum(axis=0)
        user = self._plan.data.user if self._plan.data is not None else None
        hashes, nobody_R = hash64(chunk.rows.frame[user]) if user is not None else (None, None)
        for place in range(len(self._plan.levels)):
            node_R = chunk.node_RL[:, place]
            for node in np.unique(node_R[node_R != UNKNOWN]).tolist():
                of_R = node_R == node
                self._node_rows[place][node] += int(of_R.sum())
                self._missing[place][node] += empty_RF[of_R].sum(axis=0)
                if hashes is not None and nobody_R is not None:
                    self._users[place].update(node, hashes[of_R & ~nobody_R])

    def tell(self, findings: Findings) -> None:
        """A profile warns of nothing."""

    def report(self) -> dict[str, Any]:
        """The profile as plain values, ready for JSON."""
        plan = self._plan
        tasks = [task.name for task in plan.tasks.tasks]
        diagonal = np.arange(len(tasks))
        leaves = [
            {
                "leaf": name,
                "rows": int(self._rows_N[leaf]),
                "labels": dict(zip(tasks, self._known_NTT[leaf, diagonal, diagonal].tolist(), strict=True)),
                "positives": dict(zip(tasks, self._both_NTT[leaf, diagonal, diagonal].tolist(), strict=True)),
                "correlation": [
                    {"tasks": [tasks[one], tasks[other]], "phi": self._phi(leaf, one, other)}
                    for one in range(len(tasks))
                    for other in range(one + 1, len(tasks))
                ],
            }
            for leaf, name in enumerate(self._index.names)
        ]
        return {
            "format": FORMAT,
            "rows": self._rows,
            "leaves": leaves,
            "levels": [self._level(place) for place in range(len(plan.levels))],
            "missing": self._shares(self._missing_F, self._rows.get("train", 0)),
            "likeness": leaf_similarity(plan, self._sample, self._rows_N.tolist()),
        }

    def _tasks(self, chunk: CheckedRows) -> None:
        leaf_R = self._index.of(chunk.node_RL)
        known_RT = ~np.isnan(chunk.label_RT)
        ones_RT = chunk.label_RT == 1
        for leaf in np.unique(leaf_R[leaf_R != UNKNOWN]).tolist():
            of_R = leaf_R == leaf
            known, ones = known_RT[of_R].astype(np.int64), ones_RT[of_R].astype(np.int64)
            self._rows_N[leaf] += len(known)
            self._known_NTT[leaf] += known.T @ known
            self._ones_NTT[leaf] += ones.T @ known
            self._both_NTT[leaf] += ones.T @ ones

    def _phi(self, leaf: int, one: int, other: int) -> float | None:
        """Correlation of two tasks' labels on the rows that have both; None where one of them never varies there."""
        rows, both = int(self._known_NTT[leaf, one, other]), int(self._both_NTT[leaf, one, other])
        first, second = int(self._ones_NTT[leaf, one, other]), int(self._ones_NTT[leaf, other, one])
        spread = first * (rows - first) * second * (rows - second)
        return None if not spread else round((rows * both - first * second) / float(spread) ** 0.5, 4)

    def _level(self, place: int) -> dict[str, Any]:
        level, rows_N, users = self._plan.levels[place], self._node_rows[place], self._users[place]
        nodes: list[dict[str, Any]] = [
            {"node": node.name, "rows": int(rows), "missing": self._shares(self._missing[place][number], int(rows))}
            for number, (node, rows) in enumerate(zip(level.nodes, rows_N, strict=True))
        ]
        found: dict[str, Any] = {"level": level.name, "nodes": nodes}
        if self._plan.data is not None and self._plan.data.user is not None:
            for number, one in enumerate(nodes):
                one["users"] = users.count(number)
            found["shared users"] = [
                {"nodes": [level.nodes[one].name, level.nodes[other].name], "users": users.shared(one, other)}
                for one in range(len(nodes))
                for other in range(one + 1, len(nodes))
            ]
        return found

    def _shares(self, missing_F: Any, rows: int) -> dict[str, float]:
        """Share of the rows in which a feature is missing, of the features that are missing anywhere."""
        shares = zip(self._plan.reading, missing_F.tolist(), strict=True)
        return {feature.name: round(count / rows, 4) for feature, count in shares if count and rows}


def _missing(column: pl.Series) -> Mask:
    """The empty cells; of lists those in which nothing is."""
    if column.dtype.is_nested():
        return cells_as_text(column).is_null().to_numpy()
    return is_missing(column)
