"""`LeafCounts`: rows and labels of every leaf of the hierarchy. Exact, in memory of leaves x tasks.

Warnings: W507 leaves whose labels are too few for a task, W508 paths without training rows.
Axes: R rows, L levels, N leaves, T tasks.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows, rows_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import UNKNOWN, Plan

FEW = 10
"""Positives, or negatives, below which a leaf can neither teach nor measure a task."""
LEAST_ROWS = 1000
"""Training rows from which on that is told: a smaller table is a trial."""
SHOWN = 4
"""Leaves that a finding names."""


class LeafIndex:
    """Finds each row's leaf. A plan without levels has one leaf, all rows."""

    def __init__(self, plan: Plan) -> None:
        self.names = [plan.leaf_name(leaf) or "all rows" for leaf in plan.leaves]
        sizes = [len(level.nodes) for level in plan.levels]
        self._steps_L = np.array([int(np.prod(sizes[place + 1 :])) for place in range(len(sizes))], dtype=np.int64)
        codes_N = np.array([int(np.dot(leaf, self._steps_L)) for leaf in plan.leaves], dtype=np.int64)
        self._order_N = np.argsort(codes_N)
        self._codes_N = codes_N[self._order_N]

    def of(
        self, node_RL: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """leaf_R, UNKNOWN where a node is."""
        code_R = node_RL @ self._steps_L if len(self._steps_L) else np.zeros(len(node_RL), dtype=np.int64)
        place_R = np.minimum(np.searchsorted(self._codes_N, code_R), len(self._codes_N) - 1)
        known_R = (node_RL != UNKNOWN).all(axis=1) & (self._codes_N[place_R] == code_R)
        return np.where(known_R, self._order_N[place_R], UNKNOWN)


class LeafCounts:
    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self.index = LeafIndex(plan)
        leaves, tasks = len(self.index.names), len(plan.tasks.tasks)
        self.rows_N = np.zeros(leaves, dtype=np.int64)
        self.ones_NT = np.zeros((leaves, tasks), dtype=np.int64)
        self.zeros_NT = np.zeros((leaves, tasks), dtype=np.int64)

    def update(self, chunk: CheckedRows) -> None:
        if chunk.part != "train":
            return
        leaf_R = self.index.of(chunk.node_RL)
        known_R = leaf_R != UNKNOWN
        self.rows_N += np.bincount(leaf_R[known_R], minlength=len(self.rows_N))
        for task in range(self.ones_NT.shape[1]):
            for value, counts_NT in ((1, self.ones_NT), (0, self.zeros_NT)):
                chosen_R = known_R & (chunk.label_RT[:, task] == value)
                counts_NT[:, task] += np.bincount(leaf_R[chosen_R], minlength=len(self.rows_N))

    def tell(self, findings: Findings) -> None:
        if self.rows_N.sum() < LEAST_ROWS or len(self.rows_N) == 1:
            return
        seen_N = self.rows_N > 0
        for place, task in enumerate(self._plan.tasks.tasks):
            ones_N, zeros_N = self.ones_NT[:, place], self.zeros_NT[:, place]
            poor = np.flatnonzero(seen_N & (np.minimum(ones_N, zeros_N) < FEW))
            if not len(poor) or not ones_N.sum() or not zeros_N.sum():
                continue
            named = [
                f"`{self.index.names[leaf]}` ({rows_text(int(self.rows_N[leaf]))}, {ones_N[leaf]:,} positive)"
                for leaf in poor[np.argsort(self.rows_N[poor], kind="stable")][:SHOWN]
            ]
            findings.add(
                "W507",
                f"task `{task.name}` has fewer than {FEW} positives or negatives in {len(poor)} of the "
                f"{int(seen_N.sum())} leaves with training rows",
                self._locate(f"tasks.task.{task.name}.label"),
                label="their scores mean little",
                help=[_listed(named, len(poor)), "such leaves live on the shared experts; measure them on more rows"],
            )
        self._tell_unseen(findings, ~seen_N)

    def _tell_unseen(self, findings: Findings, unseen_N: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Leaves all of whose nodes have rows: a node without any is told as W502."""
        reached = [set[int]() for _ in self._plan.levels]
        for leaf in np.flatnonzero(~unseen_N):
            for place, node in enumerate(self._plan.leaves[leaf]):
                reached[place].add(node)
        gaps = [
            leaf
            for leaf in np.flatnonzero(unseen_N)
            if all(node in nodes for node, nodes in zip(self._plan.leaves[leaf], reached, strict=True))
        ]
        if gaps:
            level = self._plan.levels[-1]
            named = [f"`{self.index.names[leaf]}`" for leaf in gaps[:SHOWN]]
            findings.add(
                "W508",
                f"{len(gaps)} of {len(unseen_N)} paths to level `{level.name}` have no training rows",
                self._locate(f"level.{level.name}"),
                label="no row takes them",
                help=[_listed(named, len(gaps)), "`under` in a node says where it is shown"],
            )


def _listed(named: list[str], total: int) -> str:
    more = f" and {total - len(named)} more" if total > len(named) else ""
    return f"they are {', '.join(named)}{more}" if total > 1 else f"it is {named[0]}"
