"""`DataPlan`: the files and columns of a spec's `data` block, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

FILES = ("train", "valid", "test", "statistics")
"""The fields of `DataPlan` that name files."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A rule that takes rows out of the training table, as validation or test rows."""

    kind: str
    """How rows are chosen:

    - "last": the `share` of the rows with the largest values of `column`; rows of equal value stay together
    - "from": rows whose `column` is at least `value`
    - "equals": rows whose `column` is `value`, compared as text
    - "random": a seeded random `share` of the rows
    """
    column: str | None
    value: str | int | float | None
    share: float | None
    format: str = ""
    """How dates in `column` are written as text, in the signs of `strptime`; empty for ISO text and numbers."""
    seed: int | None = None
    """For "random", the seed of the draw; None for that of the training."""


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How the csv files of a table are written."""

    separator: str | None = None
    """The character between cells; None for what the file's name says: a tab in a .tsv, else a comma."""
    encoding: str = "utf-8"
    quote: str | None = '"'
    """The character around cells; None if it has no such meaning."""
    escape: str | None = None
    """The character before a quote within a quoted cell; None if such quotes are doubled."""
    null: tuple[str, ...] = ()
    """Texts that are missing values, beside the empty text."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """Where the rows are. Paths are as written in the spec: globs, looked up in the spec's folder first."""

    train: tuple[str, ...]
    valid: tuple[str, ...] | SplitPlan | None
    test: tuple[str, ...] | SplitPlan | None
    weight: str | None
    """The column of row weights."""
    user: str | None = None
    """The column of user ids."""
    statistics: tuple[str, ...] | None = None
    """Files of statistics that the encoders are fitted from instead of the training rows."""
    cache: str | None = None
    """The cache folder of encoded tables; None for the user's own cache folder."""
    format: CsvFormat = CsvFormat()
    """How csv files are written: those of the plan, and those that its run reads later."""
    query: str | None = None
    """The column of queries."""
    top: int = 10
    """The first rows of a query that NDCG and the hit rate look at."""
