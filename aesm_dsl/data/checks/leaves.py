"""`LeafCounts`: counts the training rows and labels of every leaf of the hierarchy. Exact; memory: leaves x tasks.

Warnings: W507 for leaves with too few labels for a task, W508 for paths without training rows.
Axes: R rows, L levels, N leaves, T tasks.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows, rows_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, Plan

FEW = 10
"""With fewer positives, or negatives, a leaf can neither teach nor measure a task."""
LEAST_ROWS = 1000
"""With fewer training rows nothing is reported: a smaller table is a trial."""
SHOWN = 4
"""Leaves that a finding names."""


class LeafIndex:
    """Finds each row's leaf. A plan without levels has one leaf, all rows."""

    def __init__(self, plan: Plan) -> None:
        self.leaves = plan.leaves
        self.names = [plan.leaf_name(leaf) or "all rows" for leaf in self.leaves]
        sizes = [len(level.nodes) for level in plan.levels]
        # The code of a path is its nodes read as the digits of one number, so that codes can be looked up sorted.
        self._steps_L = np.array([int(np.prod(sizes[depth + 1 :])) for depth in range(len(sizes))], dtype=np.int64)
        codes_N = np.array([int(np.dot(leaf, self._steps_L)) for leaf in self.leaves], dtype=np.int64)
        self._order_N = np.argsort(codes_N)
        self._codes_N = codes_N[self._order_N]

    def leaf_of(
        self, node_RL: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Returns leaf_R, UNKNOWN for a row with an unknown node or on no path of the hierarchy."""
        code_R = node_RL @ self._steps_L if len(self._steps_L) else np.zeros(len(node_RL), dtype=np.int64)
        place_R = np.minimum(np.searchsorted(self._codes_N, code_R), len(self._codes_N) - 1)
        known_R = (node_RL != UNKNOWN).all(axis=1) & (self._codes_N[place_R] == code_R)
        return np.where(known_R, self._order_N[place_R], UNKNOWN)


class LeafCounts:
    """A `TableCheck` that counts the rows and labels of every leaf."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self.index = LeafIndex(plan)
        leaves, tasks = len(self.index.names), len(plan.tasks.tasks)
        self.rows_N = np.zeros(leaves, dtype=np.int64)
        self.ones_NT = np.zeros((leaves, tasks), dtype=np.int64)
        self.zeros_NT = np.zeros((leaves, tasks), dtype=np.int64)

    def update(self, chunk: CheckedRows) -> None:
        leaf_R = self.index.leaf_of(chunk.node_RL)
        known_R = leaf_R != UNKNOWN
        self.rows_N += np.bincount(leaf_R[known_R], minlength=len(self.rows_N))
        for task in range(self.ones_NT.shape[1]):
            for value, counts_NT in ((1, self.ones_NT), (0, self.zeros_NT)):
                chosen_R = known_R & (chunk.label_RT[:, task] == value)
                counts_NT[:, task] += np.bincount(leaf_R[chosen_R], minlength=len(self.rows_N))

    def report(self, findings: Findings) -> None:
        if self.rows_N.sum() < LEAST_ROWS or len(self.rows_N) == 1:
            return
        has_rows_N = self.rows_N > 0
        for index, task in enumerate(self._plan.tasks.tasks):
            ones_N, zeros_N = self.ones_NT[:, index], self.zeros_NT[:, index]
            poor = np.flatnonzero(has_rows_N & (np.minimum(ones_N, zeros_N) < FEW))
            if not len(poor) or not ones_N.sum() or not zeros_N.sum():
                continue
            smallest = [
                f"`{self.index.names[leaf]}` ({rows_text(int(self.rows_N[leaf]))}, {ones_N[leaf]:,} positive)"
                for leaf in poor[np.argsort(self.rows_N[poor], kind="stable")][:SHOWN]
            ]
            findings.add(
                "W507",
                f"task `{task.name}` has fewer than {FEW} positives or negatives in {len(poor)} of the "
                f"{int(has_rows_N.sum())} leaves with training rows",
                self._locate(f"tasks.task.{task.name}.label"),
                label="their scores mean little",
                help=[
                    _listed(smallest, len(poor)),
                    "such leaves depend on the shared experts; measure them on more rows",
                ],
            )
        self._report_empty_paths(findings, ~has_rows_N)

    def _report_empty_paths(self, findings: Findings, empty_N: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Reports leaves without rows all of whose nodes have rows; W502 reports a node that has none."""
        reached = [set[int]() for _ in self._plan.levels]
        for leaf in np.flatnonzero(~empty_N):
            for depth, node in enumerate(self.index.leaves[leaf]):
                reached[depth].add(node)
        gaps = [
            leaf
            for leaf in np.flatnonzero(empty_N)
            if all(node in nodes for node, nodes in zip(self.index.leaves[leaf], reached, strict=True))
        ]
        if gaps:
            level = self._plan.levels[-1]
            names = [f"`{self.index.names[leaf]}`" for leaf in gaps[:SHOWN]]
            findings.add(
                "W508",
                f"{len(gaps)} of {len(empty_N)} paths to level `{level.name}` have no training rows",
                self._locate(f"level.{level.name}"),
                label="no row takes them",
                help=[_listed(names, len(gaps)), "`under` in a node says where it is shown"],
            )


def _listed(names: list[str], total: int) -> str:
    more = f" and {total - len(names)} more" if total > len(names) else ""
    return f"they are {', '.join(names)}{more}" if total > 1 else f"it is {names[0]}"
