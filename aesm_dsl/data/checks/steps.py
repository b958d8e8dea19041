"""Sequences that describe the same steps: are they of one length (E536), and is no step later than its row (W537).

Axes: R rows, I values of all rows in one flat array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aesm_dsl.data.checks.column_uses import FailedUses
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import EVERY_PART, BadRows, CheckedRows
from aesm_dsl.data.reading.elapsed import elapsed_seconds
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.pools import pools_of


@dataclass(slots=True)
class _Uneven:
    """The rows in which two sequences are not of one length."""

    rows: BadRows
    lengths: tuple[int, int] = (0, 0)
    """Those of the first row."""


class StepLengths:
    """Counts the rows in which sequences of the same steps are not of one length."""

    def __init__(self, part: str, features: Sequence[FeaturePlan], locate: Locate, failed: FailedUses) -> None:
        self._locate = locate
        self._uneven = {
            (pool.members[0], member): _Uneven(BadRows())
            for pool in pools_of(features)
            for member in pool.members[1:]
            if not failed.has(part, _key(pool.members[0])) and not failed.has(part, _key(member))
        }

    def update(self, chunk: CheckedRows) -> Mask:
        """Returns bad_R: the rows of the chunk with such sequences."""
        bad_R = np.zeros(len(chunk), dtype=np.bool_)
        for (lead, member), uneven in self._uneven.items():
            first_R, other_R = (
                np.bincount(flatten(chunk.rows.frame[one.column], one.separator)[1], minlength=len(chunk))
                for one in (lead, member)
            )
            wrong_R = first_R != other_R
            if wrong_R.any() and not uneven.rows.bad:
                row = int(wrong_R.argmax())
                uneven.lengths = int(first_R[row]), int(other_R[row])
            uneven.rows.add(chunk.rows, member.column, wrong_R)
            bad_R |= wrong_R
        return bad_R

    def report(self, findings: Findings) -> None:
        """Adds one E536 for each sequence of another length than the first one, once all rows are read."""
        for (lead, member), uneven in self._uneven.items():
            if uneven.rows.bad:
                first, other = uneven.lengths
                findings.add(
                    "E536",
                    f"`{lead.name}` and `{member.name}` describe the same steps, but columns `{lead.column}` and "
                    f"`{member.column}` differ in length in {uneven.rows.count_text}; the first has {first} and "
                    f"{other} values, in {uneven.rows.location}",
                    self._locate(_key(member)),
                    label="which values belong together is not known",
                    help="write a null for a value that is missing in a list, so that all lists of a row are of one "
                    "length",
                    second=Related.at(self._locate(_key(lead)), "the same steps"),
                )


class FutureSteps:
    """A `TableCheck` that counts the rows with a step that is later than the row itself."""

    parts = EVERY_PART

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._locate = locate
        self._late = {feature: BadRows() for feature in plan.all_features if feature.kind == "elapsed"}
        self._training_only = frozenset(plan.training_features)

    def update(self, chunk: CheckedRows) -> None:
        for feature, late in self._late.items():
            if feature in self._training_only and chunk.part != "train":
                continue
            values, row_I = flatten(chunk.rows.frame[feature.column], feature.separator)
            own = chunk.rows.frame[feature.until] if feature.until else None
            late_I = elapsed_seconds(values, row_I, own, feature.format) < 0
            late.add(chunk.rows, feature.column, np.bincount(row_I[late_I], minlength=len(chunk)) > 0)

    def report(self, findings: Findings) -> None:
        for feature, late in self._late.items():
            if late.bad:
                later = f"than the row's own time, column `{feature.until}`" if feature.until else "than their row"
                findings.add(
                    "W537",
                    f"column `{feature.column}` has steps that are later {later}, in {late.count_text} of "
                    f"{late.checked:,}; the first is {late.location}",
                    self._locate(_key(feature)),
                    label="a leak from the future: they are not known when the row is scored",
                    help="cut every history at the row's own time where the table is written",
                )


def _key(feature: FeaturePlan) -> str:
    return f"features.{feature.group}.{feature.name}"
