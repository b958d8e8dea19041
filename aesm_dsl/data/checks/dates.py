"""`DateParts`: finds dates that were probably read wrongly, and parts of dates that carry no information (W525).

Memory: two moments and two ids for each date feature.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.constant_features import LEAST_ROWS
from aesm_dsl.data.checks.date_digits import digits_format
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows, cell_text
from aesm_dsl.data.reading.timestamps import DateForm, as_timestamps, part_ids
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.date_format import SECONDS

_FORMAT = 'if these are no seconds since 1970, say how dates are written: `date(format: "%Y%m%d%H")`'


@dataclass(slots=True)
class _Moments:
    """What is known of one feature's dates so far."""

    rows: int = 0
    cells: set[str] = field(default_factory=set)
    """At most two different cells."""
    years: set[int] = field(default_factory=set)
    digits: str | None = None
    """The format of digits that all cells have (`date_digits`): None without cells, empty if there is none."""
    parts: dict[str, set[int]] = field(default_factory=dict)
    """The ids of each part, at most two."""


class DateParts:
    """A `TableCheck` that looks at the dates of the training rows."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._locate = locate
        self._moments = {feature: _Moments() for feature in plan.reading if feature.kind == "date"}

    def update(self, chunk: CheckedRows) -> None:
        for feature, seen in self._moments.items():
            column = chunk.rows.frame[feature.column]
            timestamps, _ = as_timestamps(column, DateForm(feature.zone, feature.format))
            known = timestamps.is_not_null()
            seen.rows += int(known.sum())
            if len(seen.cells) < 2:
                seen.cells.update(as_text(column.filter(known)).unique(maintain_order=True).head(2).to_list())
            if seen.digits != "" and not feature.format and known.any():
                form = digits_format(column)
                seen.digits = form if seen.digits in (None, form) else ""
            if len(seen.years) < 2:
                seen.years.update(timestamps.drop_nulls().dt.year().unique().to_list())
            for part in feature.parts:
                ids = seen.parts.setdefault(part, set())
                if len(ids) < 2:
                    ids.update(np.unique(part_ids(timestamps.drop_nulls(), part))[:2].tolist())

    def report(self, findings: Findings) -> None:
        for feature, seen in self._moments.items():
            if seen.rows < LEAST_ROWS or len(seen.cells) < 2:
                continue  # a column of one value is told of by `ConstantFeatures`
            span = self._locate(f"features.{feature.group}.{feature.name}")
            if seen.years == {1970} and not feature.format:
                message = (
                    f"all {seen.rows:,} dates of column `{feature.column}` lie in 1970, such as "
                    f"{cell_text(min(seen.cells))}"
                )
                findings.add("W525", message, span, label="read as seconds since 1970", help=_FORMAT)
                continue
            if seen.digits:
                message = (
                    f"all {seen.rows:,} dates of column `{feature.column}` look like digits of years, months, days and "
                    f"hours, such as {cell_text(min(seen.cells))}"
                )
                helps = f'say how they are written: `date(format: "{seen.digits}")`, or "{SECONDS}" for seconds'
                findings.add("W525", message, span, label="read as seconds since 1970", help=helps)
                continue
            constant = [part for part, ids in seen.parts.items() if len(ids) == 1]
            if constant:
                _report_constant(feature, constant, findings, self._locate)


def _report_constant(feature: FeaturePlan, constant: list[str], findings: Findings, locate: Locate) -> None:
    left = [part for part in feature.parts if part not in constant]
    are = "is" if len(constant) == 1 else "are"
    message = f"{quoted(constant)} of column `{feature.column}` {are} the same in all training rows"
    helps = f"write `parts: [{', '.join(left)}]`" if left else "delete the feature, or read other parts"
    span = locate(f"features.{feature.group}.{feature.name}")
    findings.add("W525", message, span, label="carries no information", help=helps)
