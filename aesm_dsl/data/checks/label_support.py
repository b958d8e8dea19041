"""`LabelSupport`: finds tasks and nodes that the training rows cannot teach.

Warnings: W501 for a task without positives or negatives, W502 for a node without rows, W503 for rows of unknown nodes.
Axes: N nodes of a level, R rows, T tasks.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows, cell_text, rows_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan, Plan


class LabelSupport:
    """A `TableCheck` that counts the labels of every task and the rows of every node."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate, self.rows = plan, locate, 0
        self._ones_T = np.zeros(len(plan.tasks.tasks), dtype=np.int64)
        self._zeros_T = np.zeros(len(plan.tasks.tasks), dtype=np.int64)
        self._levels = [_NodeRows(level) for level in plan.levels]

    def update(self, chunk: CheckedRows) -> None:
        self.rows += len(chunk)
        self._ones_T += (chunk.label_RT == 1).sum(axis=0)
        self._zeros_T += (chunk.label_RT == 0).sum(axis=0)
        for index, level in enumerate(self._levels):
            level.update(chunk, index)

    def report(self, findings: Findings) -> None:
        for task, ones, zeros in zip(self._plan.tasks.tasks, self._ones_T, self._zeros_T, strict=True):
            if ones and zeros:
                continue
            missing = "labels" if not ones and not zeros else "negatives" if ones else "positives"
            message = f"task `{task.name}` has no {missing} among the {self.rows:,} training rows"
            values = map(str, task.value if isinstance(task.value, tuple) else (task.value,))
            label = f"column `{task.column}`" + (f", {task.rule} {quoted(values)}" if task.rule != "as is" else "")
            helps = "its cells are empty: read the column that holds the labels, or delete the task"
            if task.where is not None:
                outer = self._plan.tasks.tasks[task.where].name
                helps = f"it counts only in rows where `{outer}` happened: its cells are empty there, or there are none"
            place = self._locate(f"tasks.task.{task.name}.label")
            findings.add("W501", message, place, label=label, help=helps if missing == "labels" else "")
        for level in self._levels:
            level.report(findings, self._locate, self.rows)


class _NodeRows:
    """Counts the rows of every node of a level, and those without a node."""

    def __init__(self, level: LevelPlan) -> None:
        self._level, self._rows_N = level, np.zeros(len(level.nodes), dtype=np.int64)
        self._unknown, self._first = 0, ""

    def update(self, chunk: CheckedRows, index: int) -> None:
        node_R = chunk.node_RL[:, index]
        unknown_R = node_R == UNKNOWN
        self._rows_N += np.bincount(node_R[~unknown_R], minlength=len(self._rows_N))
        if unknown_R.any():
            self._first = self._first or cell_text(chunk.rows.frame[self._level.column][int(unknown_R.argmax())])
            self._unknown += int(unknown_R.sum())

    def report(self, findings: Findings, locate: Locate, rows: int) -> None:
        level = self._level
        for node, count in zip(level.nodes, self._rows_N.tolist(), strict=True):
            if not count:
                message = f"node `{node.name}` of level `{level.name}` has no training rows"
                label = f"no row has {quoted(node.values)} in column `{level.column}`"
                findings.add("W502", message, locate(f"level.{level.name}.node.{node.name}"), label=label)
        if self._unknown:
            findings.add(
                "W503",
                f"column `{level.column}` names no node of level `{level.name}` in {rows_text(self._unknown)} of the "
                f"{rows:,} training rows; the first is {self._first}",
                locate(f"level.{level.name}.unknown"),
                label="they run on the shared experts alone",
            )
