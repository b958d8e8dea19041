"""Finds columns that are known only after the row: they give a label away and are no features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from aesm_dsl.data.checks.label_separation import SUSPICIOUS, separation
from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.draft.column_names import LATER, OUTCOME
from aesm_dsl.data.draft.labels import CHANCE
from aesm_dsl.data.draft.table_draft import TableDraft, TaskGuess
from aesm_dsl.data.reading.values import as_text

LEAST = 20
"""Fewer rows than this prove nothing."""
NEARLY = 0.98
"""Share of rows that count as nearly all."""
HALF = 0.5
"""What is so in more than this share of all rows is no sign of an outcome."""


def leave_out_outcomes(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Returns the columns that may be known in time, after leaving out the others.

    Left out are columns that alone predict a label, those that are filled, or not 0, only where a label is 1 (or only
    where it is 0), and those whose names say that they are known only afterwards.
    """
    for column in columns:
        if reason := _leak(column, draft.tasks) or _filled_by_outcome(column, draft.tasks) or _named_so(column):
            draft.left_out[column.name] = reason
    return [column for column in columns if column.name not in draft.left_out]


def _named_so(column: Column) -> str:
    if LATER.search(column.plain) or (OUTCOME.search(column.plain) and not column.is_earlier):
        return "by its name, known only afterwards; a feature if it is known in time"
    return ""


def _leak(column: Column, tasks: Sequence[TaskGuess]) -> str:
    if column.kind == "list":
        return ""
    cells = pl.Series(column.numbers, nan_to_null=True) if column.form is not None else column.cells
    leaked = []
    for task in tasks:
        auc = separation(cells, task.label_R, by_value=column.kind != "text")
        if auc is not None and auc > SUSPICIOUS:
            leaked.append(f"`{task.column}` (AUC {auc:.3f})")
    return f"a leak: alone it predicts {', '.join(leaked)}" if leaked else ""


def _filled_by_outcome(column: Column, tasks: Sequence[TaskGuess]) -> str:
    for words, some_R in _marks(column):
        for task in sorted(tasks, key=lambda task: task.rate):
            known_R = ~np.isnan(task.label_R)
            some, label = some_R & known_R, task.ones_R
            count, rows = int(some.sum()), int(known_R.sum())
            if not LEAST <= count < rows:
                continue
            ones, all_ones = int((some & label).sum()), int(label.sum())
            rate = all_ones / rows
            if ones == count and count * np.log(max(rate, 1e-9)) < np.log(CHANCE):
                return f"{words} only where `{task.column}` is 1: known only afterwards"
            if ones == 0 and count * np.log(max(1 - rate, 1e-9)) < np.log(CHANCE):
                return f"{words} only where `{task.column}` is 0: known only afterwards"
            if column.is_earlier:
                continue
            if rate <= HALF and ones >= NEARLY * count:
                return f"{words} nearly only where `{task.column}` is 1: a feature only if it is known in time"
            if count <= HALF * rows and all_ones >= LEAST and ones >= NEARLY * all_ones:
                return f"{words} wherever `{task.column}` is 1: a feature only if it is known in time"
    return ""


def _marks(column: Column) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """What may betray an outcome: that a cell is filled, or that a number is not 0."""
    if not column.filled.all():
        yield "is filled", column.filled
    if column.kind == "number" and (column.numbers == 0).any():
        yield "is not 0", column.filled & (column.numbers != 0)


def rare_value(column: Column, task: TaskGuess) -> str:
    """Returns a remark on the most frequent value of which no row, or every row, is positive; empty if there is none.

    A value counts if 100 positives, or 100 negatives, are expected.
    """
    if column.distinct > LEAST or column.kind == "list":
        return ""
    rows = pl.DataFrame({"value": as_text(column.cells), "label": task.label_R}).filter(pl.col("label").is_not_nan())
    mean = float(rows["label"].mean() or 0.0)  # type: ignore[arg-type]
    counts = rows.drop_nulls().group_by("value").agg(pl.len(), pl.col("label").sum()).sort("len", descending=True)
    for few, share, remark in (
        (pl.col("label") == 0, mean, "no row with `{}` has `{}`: is it known in time?"),
        (pl.col("label") == pl.col("len"), 1 - mean, "every row with `{}` has `{}`: is it known in time?"),
    ):
        odd = counts.filter(few & (pl.col("len") * share >= 100))
        if odd.height:
            return remark.format(odd["value"][0], task.column)
    return ""
