"""`UnmatchedKeys`: whether the training rows hold the keys that files of vectors have (W513). Memory follows the keys."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.plan import Plan

VectorKeys = Mapping[str, tuple[str, ...]]
"""Feature -> the keys of its file of vectors."""

ENOUGH = 1_000_000
"""Values of a feature that are looked at, those of the first rows."""
FEW = 0.5
"""Share of the values that must have a vector."""


class UnmatchedKeys:
    def __init__(self, plan: Plan, keys: VectorKeys, locate: Locate) -> None:
        self._locate = locate
        self._features = [one for one in plan.features if one.kind == "vectors" and (one.table or one.name) in keys]
        self._keys = {name: pl.Series(own, dtype=pl.String) for name, own in keys.items()}
        self._files = {one.name: one.file for one in plan.features}
        self._seen = {one.name: 0 for one in self._features}
        self._found = dict(self._seen)
        self._strange: dict[str, str] = {}

    def update(self, chunk: CheckedRows) -> None:
        for one in self._features:
            if chunk.part != "train" or self._seen[one.name] >= ENOUGH:
                continue
            column = chunk.rows.frame[one.column]
            text = as_text(flatten(column, one.separator)[0] if one.take else column).drop_nulls()
            strange = text.filter(~text.is_in(self._keys[one.table or one.name].implode()))
            self._seen[one.name] += len(text)
            self._found[one.name] += len(text) - len(strange)
            if len(strange):
                self._strange.setdefault(one.name, strange[0])

    def tell(self, findings: Findings) -> None:
        for one in self._features:
            seen, found = self._seen[one.name], self._found[one.name]
            if found < FEW * seen:
                owner = one.table or one.name
                findings.add(
                    "W513",
                    f"{seen - found:,} of {seen:,} values of feature `{one.name}` have no vector in "
                    f"`{self._files[owner]}`, such as `{self._strange[one.name]}`",
                    self._locate(f"features.{one.group}.{one.name}"),
                    label="they all share the vector of unknown keys",
                    help=f"keys are compared as text; the file has {quoted(self._keys[owner].head(3))}",
                )
