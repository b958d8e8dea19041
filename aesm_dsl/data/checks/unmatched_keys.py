"""`UnmatchedKeys`: checks that the values in the training rows are keys of the files of vectors (W513).

Memory follows the keys.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.plan import Plan

VectorKeys = Mapping[str, tuple[str, ...]]
"""Feature -> the keys of its file of vectors."""

ENOUGH = 1_000_000
"""Values of each feature that are checked: those of the first rows."""
FEW = 0.5
"""Share of the values that must have a vector."""


class UnmatchedKeys:
    """A `TableCheck` that looks up the values of every feature of vectors."""

    parts = TRAINING

    def __init__(self, plan: Plan, keys: VectorKeys, locate: Locate) -> None:
        self._locate = locate
        self._features = [
            feature
            for feature in plan.all_features
            if feature.kind == "vectors" and (feature.table or feature.name) in keys
        ]
        self._keys = {name: pl.Series(own, dtype=pl.String) for name, own in keys.items()}
        self._files = {feature.name: feature.file for feature in plan.all_features}
        self._checked = {feature.name: 0 for feature in self._features}
        self._matched = dict(self._checked)
        self._unmatched: dict[str, str] = {}
        """Feature -> its first value without a vector."""

    def update(self, chunk: CheckedRows) -> None:
        for feature in self._features:
            if self._checked[feature.name] >= ENOUGH:
                continue
            column = chunk.rows.frame[feature.column]
            text = as_text(flatten(column, feature.separator)[0] if feature.take else column).drop_nulls()
            unmatched = text.filter(~text.is_in(self._keys[feature.table or feature.name].implode()))
            self._checked[feature.name] += len(text)
            self._matched[feature.name] += len(text) - len(unmatched)
            if len(unmatched):
                self._unmatched.setdefault(feature.name, unmatched[0])

    def report(self, findings: Findings) -> None:
        for feature in self._features:
            checked, matched = self._checked[feature.name], self._matched[feature.name]
            if matched < FEW * checked:
                owner = feature.table or feature.name
                findings.add(
                    "W513",
                    f"{checked - matched:,} of {checked:,} values of feature `{feature.name}` have no vector in "
                    f"`{self._files[owner]}`, such as `{self._unmatched[feature.name]}`",
                    self._locate(f"features.{feature.group}.{feature.name}"),
                    label="they all share the vector of unknown keys",
                    help=f"keys are compared as text; the file has {quoted(self._keys[owner].head(3))}",
                )
