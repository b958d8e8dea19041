"""`LabelSupport`: what the training rows cannot teach.

Warnings: W501 a task without positives or negatives, W502 a node without rows, W503 rows of unknown nodes.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows, cell_text, rows_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan, Plan


class LabelSupport:
    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate, self.rows = plan, locate, 0
        self._ones_T = np.zeros(len(plan.tasks.tasks), dtype=np.int64)
        self._zeros_T = np.zeros(len(plan.tasks.tasks), dtype=np.int64)
        self._levels = [_Nodes(level) for level in plan.levels]

    def update(self, chunk: CheckedRows) -> None:
        self.rows += len(chunk)
        self._ones_T += (chunk.label_RT == 1).sum(axis=0)
        self._zeros_T += (chunk.label_RT == 0).sum(axis=0)
        for place, level in enumerate(self._levels):
            level.update(chunk, place)

    def tell(self, findings: Findings) -> None:
        for task, ones, zeros in zip(self._plan.tasks.tasks, self._ones_T, self._zeros_T, strict=True):
            if ones and zeros:
                continue
            lacks = "labels" if not ones and not zeros else "negatives" if ones else "positives"
            message = f"task `{task.name}` has no {lacks} among the {self.rows:,} training rows"
            label = f"column `{task.column}`" + (f", {task.rule} `{task.value}`" if task.rule != "as is" else "")
            findings.add("W501", message, self._locate(f"tasks.task.{task.name}.label"), label=label)
        for level in self._levels:
            level.tell(findings, self._locate, self.rows)


class _Nodes:
    def __init__(self, level: LevelPlan) -> None:
        self._level, self._rows_N = level, np.zeros(len(level.nodes), dtype=np.int64)
        self._strange, self._first = 0, ""

    def update(self, chunk: CheckedRows, place: int) -> None:
        node_R = chunk.node_RL[:, place]
        strange_R = node_R == UNKNOWN
        self._rows_N += np.bincount(node_R[~strange_R], minlength=len(self._rows_N))
        if strange_R.any():
            self._first = self._first or cell_text(chunk.rows.frame[self._level.column][int(strange_R.argmax())])
            self._strange += int(strange_R.sum())

    def tell(self, findings: Findings, locate: Locate, rows: int) -> None:
        level = self._level
        for node, seen in zip(level.nodes, self._rows_N.tolist(), strict=True):
            if not seen:
                message = f"node `{node.name}` of level `{level.name}` has no training rows"
                label = f"no row has {quoted(node.values)} in column `{level.column}`"
                findings.add("W502", message, locate(f"level.{level.name}.node.{node.name}"), label=label)
        if self._strange:
            findings.add(
                "W503",
                f"column `{level.column}` names no node of level `{level.name}` in {rows_text(self._strange)} of the "
                f"{rows:,} training rows; the first is {self._first}",
                locate(f"level.{level.name}.unknown"),
                label="they run on the shared experts alone",
            )
