"""`BrokenFunnels`: finds rows in which a task happened without the task that it follows (W512)."""

from __future__ import annotations

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, BadRows, CheckedRows
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan


class BrokenFunnels:
    """A `TableCheck` that compares the labels of each task with those of the task that it follows."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._tasks, self._locate = plan.tasks.tasks, locate
        self._broken = {index: BadRows() for index, task in enumerate(self._tasks) if task.after is not None}

    def update(self, chunk: CheckedRows) -> None:
        for index, broken in self._broken.items():
            task = self._tasks[index]
            assert task.after is not None
            broken_R = (chunk.label_RT[:, index] == 1) & (chunk.label_RT[:, task.after] == 0)
            broken.add(chunk.rows, task.column, broken_R)

    def report(self, findings: Findings) -> None:
        for index, broken in self._broken.items():
            if not broken.bad:
                continue
            task = self._tasks[index]
            assert task.after is not None
            before = self._tasks[task.after]
            findings.add(
                "W512",
                f"task `{task.name}` happened without `{before.name}`, which it follows, in {broken.count_text}; the "
                f"first is in {broken.location}",
                self._locate(f"tasks.task.{task.name}.after"),
                label=f"P({task.name}) is learnt as at most P({before.name})",
                help=f"if {task.name} can happen without {before.name}, leave `after` out",
            )
