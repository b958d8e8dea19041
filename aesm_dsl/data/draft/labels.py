"""Finds the tasks among the columns, and which task follows which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.draft.column_names import LABEL, RATING, STATE
from aesm_dsl.data.draft.table_draft import TableDraft, TaskGuess
from aesm_dsl.data.reading.values import as_text

LEAST_SUBSET = 50
"""A task follows another if it has at least this many positives and all of them are positives of the other."""
CHANCE = 1e-6
"""Positives are within other rows for a reason if chance alone has a smaller probability."""
GRADES = 21
"""Graded answers have at most this many values."""


def take_labels(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Finds the tasks, and returns the other columns.

    Labels are the columns of two values that have the name of a label; else the ratings; else the last column of 0 and
    1; else the last text column of two values. A column of 0 and 1 that contains a label, or is contained in one, is a
    task too.
    """
    binary = [column for column in columns if column.positive is not None]
    states = [column for column in binary if _is_state(column)]
    named = [column for column in binary if LABEL.search(column.plain) and column not in states]
    if not named:
        ratings = [column for column in columns if RATING.search(column.plain) and _is_graded(column)]
        if ratings:
            draft.tasks.extend(_rating(column) for column in ratings)
        else:
            named = [column for column in binary if column not in states][-1:]
    words = [column for column in columns if column.kind == "text" and column.distinct == 2]
    if not named and not draft.tasks and words:
        draft.tasks.append(_rarer(words[-1]))
    elif not named and not draft.tasks:
        named = binary[-1:]
    draft.tasks.extend(_task(column) for column in named)
    for column in binary:
        if draft.tasks and not any(task.column == column.name for task in draft.tasks):
            _take_nested(column, draft, is_state=column in states)
    order = {column.name: index for index, column in enumerate(columns)}
    draft.tasks.sort(key=lambda task: order[task.column])
    _guess_funnels(draft.tasks)
    taken = {task.column for task in draft.tasks} | set(draft.left_out)
    return [column for column in columns if column.name not in taken]


def _is_state(column: Column) -> bool:
    """Whether a column of 0 and 1 says by its name what was so before the row."""
    return column.is_earlier or (STATE.search(column.plain) is not None and LABEL.search(column.plain) is None)


def _is_graded(column: Column) -> bool:
    return column.kind == "number" and 2 < column.distinct <= GRADES and not column.is_earlier


def _task(column: Column) -> TaskGuess:
    if column.kind == "text":
        return TaskGuess(column.name, column.labels, "equals", column.positive or "")
    if np.nanmin(column.numbers) < 0:
        return TaskGuess(column.name, column.labels, "above", 0)
    return TaskGuess(column.name, column.labels)


def _rarer(column: Column) -> TaskGuess:
    """A task of a column of two words; the rarer one is the positive one."""
    text = as_text(column.cells)
    value = str(text.drop_nulls().value_counts().sort("count", text.name)[text.name][0])
    ones = (text == value).fill_null(False).to_numpy().astype(np.float32)
    return TaskGuess(column.name, np.where(column.filled, ones, np.float32(np.nan)), "equals", value)


def _rating(column: Column) -> TaskGuess:
    """A task of a rating; it is 1 above the grade that halves the rows best."""
    known = column.numbers[~np.isnan(column.numbers)]
    grades = np.unique(known)[:-1]
    best = float(min(grades, key=lambda grade: abs(float((known > grade).mean()) - 0.5)))
    label_R = np.where(np.isnan(column.numbers), np.nan, column.numbers > best).astype(np.float32)
    value = int(best) if best.is_integer() else best
    return TaskGuess(column.name, label_R, "above", value, note="the grade that halves the rows best")


def _take_nested(column: Column, draft: TableDraft, *, is_state: bool) -> None:
    """Makes a task of a column of 0 and 1 that contains a label or is contained in one; leaves it out if in doubt."""
    candidate = _task(column)
    for task in draft.tasks:
        if is_within(task.ones_R, candidate.ones_R):
            said = f"every row with `{task.column}` has it"
        elif is_within(candidate.ones_R, task.ones_R):
            said = f"never happens without `{task.column}`"
        else:
            continue
        if is_state:
            draft.left_out[column.name] = f"{said}: an outcome, or a feature if it is known in time"
        else:
            candidate.note = said
            draft.tasks.append(candidate)
        return


def is_within(inner_R: npt.NDArray[np.bool_], outer_R: npt.NDArray[np.bool_]) -> bool:
    """Returns whether all inner rows are outer rows, and some others are too, for more than a chance reason."""
    inner, outer = int(inner_R.sum()), int(outer_R.sum())
    if inner < LEAST_SUBSET or outer <= inner or (inner_R & ~outer_R).any():
        return False
    return bool(inner * np.log(outer / len(outer_R)) < np.log(CHANCE))


def _guess_funnels(tasks: Sequence[TaskGuess]) -> None:
    """A task follows the rarest task whose positives contain all of its own."""
    for task in tasks:
        around = [
            (int(other.ones_R.sum()), other.column)
            for other in tasks
            if other is not task and is_within(task.ones_R, other.ones_R)
        ]
        task.after = min(around)[1] if around else None
