"""`DataPlan`: where the rows are, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

FILES = ("train", "valid", "test", "statistics")
"""The fields that name files."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Rows taken out of the training table.

    kind "last":   the largest `share` of the rows by `column` (all rows of equal value go together)
    kind "from":   rows whose `column` is at least `value`
    kind "equals": rows whose `column` is `value`, compared as text
    kind "random": a seeded random `share` of the rows
    """

    kind: str
    column: str | None
    value: str | float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class DataPlan:
    """Where the rows are. Paths are as written: globs, relative to the spec's folder first."""

    train: tuple[str, ...]
    valid: tuple[str, ...] | SplitPlan | None
    test: tuple[str, ...] | SplitPlan | None
    weight: str | None
    """Column of row weights."""
    user: str | None = None
    """Column that says whose row it is."""
    statistics: tuple[str, ...] | None = None
    """Files that say what encoders learn, in place of the training rows."""
    cache: str | None = None
    """Folder that encoded tables are kept in; None: the user's own for caches."""
