"""`NumberRange`: finds columns without a standard deviation (E526), and row weights that are all 0 (E527).

Memory: a few numbers for each feature.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import TRAINING, BadRows, CheckedRows
from aesm_dsl.data.reading.values import as_numbers
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan

LARGEST = 1e150
"""The square of a larger number, or the sum of many of them, is beyond float64."""


class NumberRange:
    """A `TableCheck` of the training rows."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate = plan, locate
        self._large = {
            feature: BadRows() for feature in plan.reading if feature.kind == "value" and feature.scale == "standard"
        }
        self._rows, self._weighted = 0, False

    def update(self, chunk: CheckedRows) -> None:
        self._rows += len(chunk)
        self._weighted |= bool((chunk.weight_R > 0).any())
        for feature, large in self._large.items():
            values, _ = as_numbers(chunk.rows.frame[feature.column], feature.form)
            large.add(chunk.rows, feature.column, np.isfinite(values) & (np.abs(values) > LARGEST))

    def report(self, findings: Findings) -> None:
        for feature, large in self._large.items():
            if large.bad:
                findings.add(
                    "E526",
                    f"column `{feature.column}` has no standard deviation: {large.count_text} hold numbers beyond "
                    f"{LARGEST:g}; {large.first_text}",
                    self._locate(f"features.{feature.group}.{feature.name}"),
                    label="too large to be squared",
                    help=[
                        "a number that stands for an unknown value is an empty cell",
                        "`scale: log` and `quantiles` take numbers of any size",
                    ],
                )
        weight = self._plan.data.weight if self._plan.data is not None else None
        if weight is not None and self._rows and not self._weighted:
            findings.add(
                "E527",
                f"row weight `{weight}` is 0 in all {self._rows:,} training rows",
                self._locate("data.weight"),
                label="nothing to learn from",
                help="a row counts by its weight; without `weight` every row counts alike",
            )
