"""`Reporter`: everything that a training reports to, and the processes that it reports for, as one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings, Help
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.run.history import Epoch, Progress
from aesm_dsl.training.run.mlflow_tracking import NO_TRACKER, MlflowTracker


def ignore(value: object) -> None:
    """Does nothing: the callback of a training that nobody watches."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Everything that a training reports to, and the processes that it reports for.

    Errors are collected in `findings`; warnings, progress and epochs go to callbacks as they happen.
    """

    findings: Findings = field(default_factory=Findings)
    """What is wrong. A stage adds to it and returns None."""
    locate: Locate = ignore
    """Dotted path of a setting -> where the spec has it; None if it is not written there."""
    warn: Callable[[Findings], None] = ignore
    """Called with warnings: before the first step, and after the last one."""
    watch: Callable[[Progress], None] = ignore
    """Called every few steps."""
    epoch_ended: Callable[[Epoch], None] = ignore
    """Called after every epoch. What it raises ends the training."""
    phase: Callable[[str], None] = ignore
    """Called with the name of what begins: "reading 2 files", "encoding 4,000 rows", "training", "validating" or
    "evaluating"."""
    processes: ProcessGroup = SINGLE_PROCESS
    """The processes that train together. Only the first one warns, watches and writes."""
    tracker: MlflowTracker = NO_TRACKER

    def for_processes(self, processes: ProcessGroup) -> Reporter:
        """The same for one of several processes: all but the first one keep quiet."""
        if processes.is_first:
            return replace(self, processes=processes)
        return replace(self, processes=processes, warn=ignore, watch=ignore, epoch_ended=ignore, phase=ignore)

    def error(self, code: str, message: str, path: str, *, label: str = "", help: Help | Sequence[Help] = ()) -> None:
        """Adds a finding about the setting at a dotted path."""
        self.findings.add(code, message, self.locate(path), label=label, help=help)

    def agree(self) -> bool:
        """Whether no process has found an error; afterwards all processes have the findings of all.

        Every process must call it.
        """
        if self.processes.world_size > 1:
            for items in self.processes.gather_objects(self.findings.items):
                self.findings.extend(items)
            self.findings.items[:] = self.processes.broadcast_object(self.findings.items)
        return not self.findings.errors
