"""`Profile`: statistics of the training rows, counted in the same pass that checks them.

Rows and positive rates of every node and leaf, missing cells of every feature and node, the correlation of the tasks in
every leaf, and the users that nodes share. All are exact, except the users (`user_overlap`) and the similarity of
leaves, which is estimated from a sample (`leaf_similarity`). Memory follows nodes x features and leaves x tasks.

Axes: R rows, N leaves or nodes, F features, T tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.checks.constant_features import cells_as_text
from aesm_dsl.data.checks.leaf_similarity import leaf_similarity
from aesm_dsl.data.checks.leaves import LeafIndex
from aesm_dsl.data.checks.own_columns import has_feature
from aesm_dsl.data.checks.user_overlap import UserOverlap
from aesm_dsl.data.reading.checked_rows import EVERY_PART, TRAINING, CheckedRows, TableCheck
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.data.reading.values import Mask, is_missing
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, Plan

FORMAT = 1
"""Version of the profile's JSON form."""


class PartRows:
    """A `TableCheck` that counts the rows of every part, and reports nothing."""

    parts = EVERY_PART

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def update(self, chunk: CheckedRows) -> None:
        self.rows[chunk.part] = self.rows.get(chunk.part, 0) + len(chunk)

    def report(self, findings: Findings) -> None:
        """Adds nothing."""


class Profile:
    """The statistics; a `TableCheck` that reports no findings."""

    parts = TRAINING

    def __init__(self, plan: Plan) -> None:
        self._plan, self._index, self._sample = plan, LeafIndex(plan), RowSample(plan)
        leaves, tasks, features = len(self._index.names), len(plan.tasks.tasks), len(plan.reading)
        sizes = [len(level.nodes) for level in plan.levels]
        self._part_rows = PartRows()
        self._rows_N = np.zeros(leaves, dtype=np.int64)
        self._known_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        """Rows in which both tasks have a label; on the diagonal, rows in which the task has one."""
        self._ones_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        """Rows in which the first task happened and the second has a label."""
        self._both_NTT = np.zeros((leaves, tasks, tasks), dtype=np.int64)
        """Rows in which both tasks happened."""
        self._node_rows = [np.zeros(size, dtype=np.int64) for size in sizes]
        self._missing_F = np.zeros(features, dtype=np.int64)
        self._missing = [np.zeros((size, features), dtype=np.int64) for size in sizes]
        self._users = [UserOverlap(size) for size in sizes]

    @property
    def checks(self) -> tuple[TableCheck, TableCheck]:
        """What has to look at the rows: the profile, and a count of every part's rows."""
        return self, self._part_rows

    def update(self, chunk: CheckedRows) -> None:
        if not len(chunk):
            return
        self._sample.update(chunk)
        self._count_labels(chunk)
        missing_RF = np.column_stack(
            [
                _missing(chunk.rows.frame[feature.column]) & has_feature(self._plan, feature, chunk.node_RL)
                for feature in self._plan.reading
            ]
        )
        self._missing_F += missing_RF.sum(axis=0)
        user = self._plan.data.user if self._plan.data is not None else None
        hashes, nobody_R = hash64(chunk.as_read.frame[user]) if user is not None else (None, None)
        for level in range(len(self._plan.levels)):
            node_R = chunk.node_RL[:, level]
            for node in np.unique(node_R[node_R != UNKNOWN]).tolist():
                inside_R = node_R == node
                self._node_rows[level][node] += int(inside_R.sum())
                self._missing[level][node] += missing_RF[inside_R].sum(axis=0)
                if hashes is not None and nobody_R is not None:
                    self._users[level].update(node, hashes[inside_R & ~nobody_R])

    def report(self, findings: Findings) -> None:
        """Adds nothing: a profile has no findings."""

    def summary(self) -> dict[str, Any]:
        """Returns the profile as plain values, ready for JSON."""
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
                    {"tasks": [tasks[first], tasks[second]], "phi": self._phi(leaf, first, second)}
                    for first in range(len(tasks))
                    for second in range(first + 1, len(tasks))
                ],
            }
            for leaf, name in enumerate(self._index.names)
        ]
        return {
            "format": FORMAT,
            "rows": self._part_rows.rows,
            "leaves": leaves,
            "levels": [self._level(index) for index in range(len(plan.levels))],
            "missing": self._shares(self._missing_F, self._part_rows.rows.get("train", 0)),
            "likeness": leaf_similarity(plan, self._sample, self._rows_N.tolist()),
        }

    def _count_labels(self, chunk: CheckedRows) -> None:
        leaf_R = self._index.leaf_of(chunk.node_RL)
        known_RT = ~np.isnan(chunk.label_RT)
        ones_RT = chunk.label_RT == 1
        for leaf in np.unique(leaf_R[leaf_R != UNKNOWN]).tolist():
            inside_R = leaf_R == leaf
            known, ones = known_RT[inside_R].astype(np.int64), ones_RT[inside_R].astype(np.int64)
            self._rows_N[leaf] += len(known)
            self._known_NTT[leaf] += known.T @ known
            self._ones_NTT[leaf] += ones.T @ known
            self._both_NTT[leaf] += ones.T @ ones

    def _phi(self, leaf: int, first: int, second: int) -> float | None:
        """Correlation of two tasks' labels in the rows that have both; None if one of them never varies there."""
        rows, both = int(self._known_NTT[leaf, first, second]), int(self._both_NTT[leaf, first, second])
        ones, other_ones = int(self._ones_NTT[leaf, first, second]), int(self._ones_NTT[leaf, second, first])
        spread = ones * (rows - ones) * other_ones * (rows - other_ones)
        return None if not spread else round((rows * both - ones * other_ones) / float(spread) ** 0.5, 4)

    def _level(self, index: int) -> dict[str, Any]:
        level, rows_N, users = self._plan.levels[index], self._node_rows[index], self._users[index]
        nodes: list[dict[str, Any]] = [
            {"node": node.name, "rows": int(rows), "missing": self._shares(self._missing[index][number], int(rows))}
            for number, (node, rows) in enumerate(zip(level.nodes, rows_N, strict=True))
        ]
        summary: dict[str, Any] = {"level": level.name, "nodes": nodes}
        if self._plan.data is not None and self._plan.data.user is not None:
            for number, node_summary in enumerate(nodes):
                node_summary["users"] = users.count(number)
            summary["shared users"] = [
                {"nodes": [level.nodes[first].name, level.nodes[second].name], "users": users.shared(first, second)}
                for first in range(len(nodes))
                for second in range(first + 1, len(nodes))
            ]
        return summary

    def _shares(self, missing_F: Any, rows: int) -> dict[str, float]:
        """The share of rows in which each feature is missing, for the features that are missing anywhere."""
        shares = zip(self._plan.reading, missing_F.tolist(), strict=True)
        return {feature.name: round(count / rows, 4) for feature, count in shares if count and rows}


def _missing(column: pl.Series) -> Mask:
    """The missing cells; empty lists count as missing."""
    if column.dtype.is_nested():
        return cells_as_text(column).is_null().to_numpy()
    return is_missing(column)
