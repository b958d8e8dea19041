"""Rows without a finite score: counted batch by batch, and told (W527). Axes: R rows, T tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.data.reading.checked_rows import rows_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.metrics.scores import Floats


@dataclass(slots=True)
class BrokenScores:
    """How many rows have no finite score for some task, and which is the first of them."""

    rows: int = 0
    """All rows so far."""
    broken: int = 0
    first: int = 0
    """The place of the first such row, from 1; 0 without any."""

    def add(self, yes_RT: Floats) -> None:
        """Counts the next rows by the logs of their probabilities. The log of a probability of 0 is no mistake."""
        broken_R = np.isnan(yes_RT).any(axis=1)
        if broken_R.any() and not self.broken:
            self.first = self.rows + int(broken_R.argmax()) + 1
        self.rows += len(yes_RT)
        self.broken += int(broken_R.sum())

    def report(self, measured: str, findings: Findings) -> None:
        """Warns (W527) of such rows, if there are any.

        Args:
            measured: which rows were counted, in words; empty if they came in another order than they lie in.
            findings: gets the warning.
        """
        if self.broken:
            first = f"row {self.first} of {measured}" if measured else ""
            report_broken_scores(self.broken, self.rows, first, findings)


def report_broken_scores(broken: int, rows: int, first: str, findings: Findings) -> None:
    """Warns (W527) of rows whose scores are not finite; `first` says where the first is, empty if nobody knows."""
    where, look = (f"; the first is {first}", "that row's features") if first else ("", "the largest ones")
    findings.add(
        "W527",
        f"{rows_text(broken)} of {rows:,} {'has' if broken == 1 else 'have'} no finite score{where}",
        help=[
            f"numbers far beyond those of the training rows overflow: look at {look}",
            "`scale: standard`, `scale: log` and `quantiles` keep such numbers within bounds; `scale: none` does not",
        ],
    )
