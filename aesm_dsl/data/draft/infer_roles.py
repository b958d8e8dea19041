"""A table -> `TableDraft`: what each of its columns is probably for, and why. `write_spec` makes a spec of it.

Most of it is guessed from a sample of the rows; nodes and paths are those of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.checks.label_separation import SUSPICIOUS, separation
from aesm_dsl.data.draft.column import KEY, LABEL, LATER, SCENARIO, TIME, USER, WEIGHT, Column
from aesm_dsl.data.draft.shared_values import shared_values
from aesm_dsl.data.reading.checked_rows import Floats
from aesm_dsl.data.reading.data_file import DataFile, scan
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.data.reading.values import as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, quoted

SAMPLE_ROWS = 50_000
"""Rows of the sample, evenly spread over the table."""
MOST_NODES = 40
"""A column with more values is not a level."""
LEAST_SUBSET = 50
"""A task follows another if it has at least this many positives and all of them are positives of the other."""


@dataclass(slots=True)
class TaskGuess:
    """A column that is probably a label."""

    column: str
    rate: float
    """Share of positives."""
    value: str | None = None
    """The label is 1 if the column holds this value; None for a column of 0 and 1."""
    after: str | None = None
    """Column of the task that it follows."""


@dataclass(slots=True)
class LevelGuess:
    """A column that probably says where a row happened."""

    column: str
    values: list[str]
    """The values, most frequent first."""
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Value -> the values of the level above that it occurs under."""
    missing: int = 0
    """Rows without a value."""


@dataclass(slots=True)
class TableDraft:
    """The guessed roles of all columns."""

    rows: int
    tasks: list[TaskGuess] = field(default_factory=list)
    levels: list[LevelGuess] = field(default_factory=list)
    features: list[Column] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> the column of another feature whose things it holds too."""
    notes: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> why the user should look at it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Column -> why it is not a feature."""
    user: str | None = None
    time: Column | None = None
    """Column that the rows are split by."""
    parts: dict[str, str] = field(default_factory=dict)
    """Part of the table -> its value in `part_column`."""
    part_column: str | None = None
    """Column that says to which part a row belongs."""


def infer_roles(files: Sequence[DataFile], findings: Findings) -> TableDraft | None:
    """Guesses the roles of the columns that all files have.

    Returns:
        The roles; None after reporting that the files cannot be read (E502), that there are no rows (E505) or that no
        column looks like a label (E511).
    """
    common = [name for name in files[0].schema if all(name in file.schema for file in files)]
    table = read_or_report(lambda: _Table(files, common), files[0].path, files[0].name, None, findings)
    if table is None:
        return None
    names = quoted((file.name for file in files), 3)
    if not table.rows:
        findings.add("E505", f"no rows in {names}")
        return None
    draft = TableDraft(table.rows)
    columns = _take_useful([Column.of(table.sample[name]) for name in common], draft)
    columns = _take_parts(columns, draft)
    columns, label_RT = _take_labels(columns, draft)
    if not draft.tasks:
        findings.add(
            "E511",
            f"no column of {names} looks like a label",
            help=["a label is a column of 0 and 1, or of two words", f"the columns are {quoted(common)}"],
        )
        return None
    columns = _leave_out_leaks(columns, label_RT, draft)
    columns = _take_time(columns, draft)
    columns = _take_levels(columns, draft, table)
    _take_features(columns, label_RT, draft)
    return draft


class _Table:
    """All rows of the files, scanned lazily, and a sample of them."""

    def __init__(self, files: Sequence[DataFile], columns: Sequence[str]) -> None:
        # Columns whose type differs from file to file are read as text.
        same = [name for name in columns if len({str(file.schema[name]) for file in files}) == 1]
        self._whole = pl.concat(
            [
                scan(file).select(named([name]) if name in same else named([name]).cast(pl.String) for name in columns)
                for file in files
            ]
        )
        self.rows = int(self._whole.select(pl.len()).collect().item())
        step = max(1, self.rows // SAMPLE_ROWS)
        self.sample = self._whole.gather_every(step).collect()

    def counts(self, columns: Sequence[str]) -> pl.DataFrame:
        """Returns every combination of the columns' values and its number of rows, the most frequent first."""
        counts = self._whole.select(named(columns)).group_by(named(columns)).len().collect()
        texts = counts.select(*(as_text(counts[name]) for name in columns), "len")
        return texts.group_by(named(columns)).agg(pl.col("len").sum()).sort("len", *columns, descending=True)


def _take_useful(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Leaves out columns that nothing can be learnt from; finds the user."""
    left = []
    for column in columns:
        if column.kind == "nested":
            draft.left_out[column.name] = "holds structs, bytes or lists of lists"
        elif column.distinct == 0:
            draft.left_out[column.name] = "is missing in every row"
        elif column.distinct == 1 and not column.missing:
            draft.left_out[column.name] = "has one value only"
        elif column.kind == "list":
            left.append(column)
        elif USER.search(column.name.casefold()) and draft.user is None:
            draft.user = column.name
            left.append(column)
        elif WEIGHT.search(column.name.casefold()) and column.kind == "number":
            draft.left_out[column.name] = f"looks like a row weight: if so, write `weight = {column.name}` in `data`"
        elif column.names_rows:
            draft.left_out[column.name] = "differs in nearly every row, so that nothing can be learnt from it"
        else:
            left.append(column)
    return left


def _take_parts(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Finds the column that says to which part a row belongs."""
    for column in columns:
        if values := column.part_values:
            draft.part_column, draft.parts = column.name, values
            return [other for other in columns if other is not column]
    return list(columns)


def _take_labels(columns: Sequence[Column], draft: TableDraft) -> tuple[list[Column], list[Floats]]:
    """Finds the tasks, and returns the other columns and label_R of each task.

    Labels are the columns of 0 and 1 that have the name of a label, else the last column of 0 and 1, else the last text
    column of two values.
    """
    binary = [column for column in columns if column.is_binary]
    chosen = [column for column in binary if LABEL.search(column.name.casefold())] or binary[-1:]
    label_RT: list[Floats] = [as_numbers(column.cells)[0].astype(np.float32) for column in chosen]
    for column, label_R in zip(chosen, label_RT, strict=True):
        draft.tasks.append(TaskGuess(column.name, float(np.nanmean(label_R))))
    if not chosen:
        for column in [column for column in columns if column.kind == "text" and column.distinct == 2][-1:]:
            text = as_text(column.cells)
            # The rarer value is the positive one.
            value = str(text.drop_nulls().value_counts().sort("count", text.name)[text.name][0])
            label_R = (text == value).cast(pl.Float32).fill_null(np.nan).to_numpy()
            chosen, label_RT = [column], [label_R]
            draft.tasks.append(TaskGuess(column.name, float(np.nanmean(label_R)), value))
    _guess_funnels(draft, label_RT)
    return [column for column in columns if column not in chosen], label_RT


def _guess_funnels(draft: TableDraft, label_RT: Sequence[Floats]) -> None:
    """A task follows the rarest task whose positives contain all of its own."""
    ones_TR = [label_R == 1 for label_R in label_RT]
    for task, ones_R in zip(draft.tasks, ones_TR, strict=True):
        around = [
            (int(others_R.sum()), other.column)
            for other, others_R in zip(draft.tasks, ones_TR, strict=True)
            if other is not task and ones_R.sum() >= LEAST_SUBSET and others_R.sum() > ones_R.sum()
            if not (ones_R & ~others_R).any()
        ]
        task.after = min(around)[1] if around else None


def _leave_out_leaks(columns: Sequence[Column], label_RT: Sequence[Floats], draft: TableDraft) -> list[Column]:
    """Leaves out columns that alone predict a label, or whose names say that they are known only afterwards."""
    left = []
    for column in columns:
        leaked = []
        for task, label_R in zip(draft.tasks, label_RT, strict=True) if column.kind != "list" else ():
            auc = separation(column.cells, label_R, by_value=column.kind != "text")
            if auc is not None and auc > SUSPICIOUS:
                leaked.append(f"`{task.column}` (AUC {auc:.3f})")
        if leaked:
            draft.left_out[column.name] = f"a leak: alone it predicts {', '.join(leaked)}"
        elif LATER.search(column.name.casefold()):
            draft.left_out[column.name] = "by its name, known only afterwards; a feature if it is known in time"
        else:
            left.append(column)
    return left


def _take_time(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Finds the timestamp that the rows are split by: the first one that no row lacks.

    Of a timestamp only the parts that repeat become features.
    """
    times = [column for column in columns if column.kind == "time"]
    named_so = [
        column
        for column in columns
        if column.kind == "number" and TIME.search(column.name.casefold()) and column.distinct > 2
    ]
    usable = [column for column in times or named_so[:1] if column.missing == 0 and column.distinct > 9]
    if draft.part_column is None and usable:
        draft.time = usable[0]
    timestamps = times if times or draft.time is None else [draft.time]
    for column in timestamps:
        reason = "the rows are split by it" if column is draft.time else "a timestamp that no later row has again"
        remarks = draft.notes if column.kind == "time" and column.date_parts else draft.left_out
        remarks[column.name] = f"{reason}; as a `number` a model would memorize the past"
    return [column for column in columns if column.name not in draft.left_out]


def _take_levels(columns: Sequence[Column], draft: TableDraft, table: _Table) -> list[Column]:
    """Finds the levels: at most two columns of few values whose names say where a row happened.

    The column with fewer values is the upper level.
    """

    def score(column: Column) -> int:
        return len(SCENARIO & set(column.words))

    single = [column for column in columns if column.kind not in ("list", "time")]
    few = [
        column for column in single if score(column) and 2 <= column.distinct <= MOST_NODES and column.missing < 0.05
    ]
    best = sorted(few, key=lambda column: (-score(column), column.distinct))[:2]
    chosen = sorted(best, key=lambda column: column.distinct)
    levels = []
    for column in chosen:
        counts = table.counts([column.name])
        known = counts.drop_nulls()
        missing = int(counts["len"].sum()) - int(known["len"].sum())
        levels.append(LevelGuess(column.name, known[column.name].to_list(), missing=missing))
    for above, level in pairwise(levels):
        for value, parent, _ in table.counts([level.column, above.column]).drop_nulls().rows():
            level.parents.setdefault(value, []).append(parent)
    draft.levels = levels
    return [column for column in columns if column not in chosen]


def _take_features(columns: Sequence[Column], label_RT: Sequence[Floats], draft: TableDraft) -> None:
    """Makes features of the columns, with notes where the user should look."""
    draft.shared = shared_values(columns)
    for column in columns:
        draft.features.append(column)
        if column.may_grow:
            draft.notes[column.name] = "by its name, it may grow later: is it known in time?"
        if KEY.search(column.name.casefold()) and column.kind == "number" and not column.is_whole:
            draft.notes[column.name] = "named like an id, but holds fractions"
        for task, label_R in zip(draft.tasks, label_RT, strict=True):
            if column.kind != "list" and (value := _value_without_positives(column, label_R)):
                draft.notes[column.name] = f"no row with `{value}` has `{task.column}`: is it known in time?"


def _value_without_positives(column: Column, label_R: Any) -> str:
    """The most frequent value without any positive, though at least 100 are expected; empty if there is none."""
    if column.distinct > 20:
        return ""
    rows = pl.DataFrame({"value": as_text(column.cells), "label": label_R}).filter(pl.col("label").is_not_nan())
    mean = float(rows["label"].mean() or 0.0)  # type: ignore[arg-type]
    counts = rows.drop_nulls().group_by("value").agg(pl.len(), pl.col("label").sum())
    odd = counts.filter((pl.col("label") == 0) & (pl.col("len") * mean >= 100)).sort("len", descending=True)
    return str(odd["value"][0]) if odd.height else ""
