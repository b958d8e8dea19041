"""A table -> `TableDraft`: what each of its columns is probably for, and why. draft_spec.py makes a spec of it.

A sample of the rows is looked at for most of it; nodes and paths are those of all rows.
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
from aesm_dsl.data.reading.data_file import DataFile, read_or_report, scan
from aesm_dsl.data.reading.values import as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, quoted

SAMPLE_ROWS = 50_000
"""Rows that are looked at closely, evenly spread over the table."""
MOST_NODES = 40
"""Values of a column from which on it is no level."""
LEAST_SUBSET = 50
"""Positives that must all be positives of another task before one is said to follow the other."""


@dataclass(slots=True)
class TaskGuess:
    column: str
    rate: float
    value: str | None = None
    """The label is 1 where the column holds it; None for a column of 0 and 1."""
    after: str | None = None
    """Column of the task that it follows."""


@dataclass(slots=True)
class LevelGuess:
    column: str
    values: list[str]
    """Most frequent first."""
    parents: dict[str, list[str]] = field(default_factory=dict)
    """Value -> the values of the level above that it occurs under."""
    missing: int = 0


@dataclass(slots=True)
class TableDraft:
    rows: int
    tasks: list[TaskGuess] = field(default_factory=list)
    levels: list[LevelGuess] = field(default_factory=list)
    features: list[Column] = field(default_factory=list)
    shared: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> the column of another one whose things it holds too."""
    notes: dict[str, str] = field(default_factory=dict)
    """Column of a feature -> why it is worth a look."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Column -> why it is no feature."""
    user: str | None = None
    time: Column | None = None
    """Column that the rows are split by."""
    parts: dict[str, str] = field(default_factory=dict)
    part_column: str | None = None
    """Column that says which part a row belongs to, and the values that mean "valid" and "test"."""


def infer_roles(files: Sequence[DataFile], findings: Findings) -> TableDraft | None:
    """What the columns that all files have are for; None after telling that they cannot be read (E502), that there are
    no rows (E505) or that no column looks like a label (E511)."""
    shared = [name for name in files[0].schema if all(name in file.schema for file in files)]
    table = read_or_report(lambda: _Table(files, shared), files[0].path, files[0].name, None, findings)
    if table is None:
        return None
    named = quoted((file.name for file in files), 3)
    if not table.rows:
        findings.add("E505", f"no rows in {named}")
        return None
    found = TableDraft(table.rows)
    columns = _useful([Column.of(table.sample[name]) for name in shared], found)
    columns = _parts(columns, found)
    columns, label_RT = _labels(columns, found)
    if not found.tasks:
        findings.add(
            "E511",
            f"no column of {named} looks like a label",
            help=["a label is a column of 0 and 1, or of two words", f"the columns are {quoted(shared)}"],
        )
        return None
    columns = _leaks(columns, label_RT, found)
    columns = _time(columns, found)
    columns = _levels(columns, found, table)
    _features(columns, label_RT, found)
    return found


class _Table:
    def __init__(self, files: Sequence[DataFile], columns: Sequence[str]) -> None:
        # Files may disagree about a column's type.
        same = [name for name in columns if len({str(file.schema[name]) for file in files}) == 1]
        self._whole = pl.concat(
            [
                scan(file).select(pl.col(name) if name in same else pl.col(name).cast(pl.String) for name in columns)
                for file in files
            ]
        )
        self.rows = int(self._whole.select(pl.len()).collect().item())
        step = max(1, self.rows // SAMPLE_ROWS)
        self.sample = self._whole.gather_every(step).collect()

    def counts(self, columns: Sequence[str]) -> pl.DataFrame:
        """Every combination of the columns' cells with its rows, over all rows; the most frequent first."""
        counts = self._whole.select(columns).group_by(columns).len().collect()
        texts = counts.select(*(as_text(counts[name]) for name in columns), "len")
        return texts.group_by(columns).agg(pl.col("len").sum()).sort("len", *columns, descending=True)


def _useful(columns: Sequence[Column], found: TableDraft) -> list[Column]:
    left = []
    for column in columns:
        if column.kind == "nested":
            found.left_out[column.name] = "holds structs, bytes or lists of lists"
        elif column.distinct == 0:
            found.left_out[column.name] = "is missing in every row"
        elif column.distinct == 1 and not column.missing:
            found.left_out[column.name] = "has one value only"
        elif column.kind == "list":
            left.append(column)
        elif USER.search(column.name.casefold()) and found.user is None:
            found.user = column.name
            left.append(column)
        elif WEIGHT.search(column.name.casefold()) and column.kind == "number":
            found.left_out[column.name] = f"looks like a row weight: if so, write `weight = {column.name}` in `data`"
        elif column.names_rows:
            found.left_out[column.name] = "differs in nearly every row, so that nothing can be learnt from it"
        else:
            left.append(column)
    return left


def _parts(columns: Sequence[Column], found: TableDraft) -> list[Column]:
    for column in columns:
        if values := column.part_values:
            found.part_column, found.parts = column.name, values
            return [one for one in columns if one is not column]
    return list(columns)


def _labels(columns: Sequence[Column], found: TableDraft) -> tuple[list[Column], list[Floats]]:
    """Columns of 0 and 1 that are called like labels, else the last one, else the last column of two values."""
    binary = [column for column in columns if column.is_binary]
    chosen = [column for column in binary if LABEL.search(column.name.casefold())] or binary[-1:]
    label_RT: list[Floats] = [as_numbers(column.cells)[0].astype(np.float32) for column in chosen]
    for column, label_R in zip(chosen, label_RT, strict=True):
        found.tasks.append(TaskGuess(column.name, float(np.nanmean(label_R))))
    if not chosen:
        for column in [one for one in columns if one.kind == "text" and one.distinct == 2][-1:]:
            text = as_text(column.cells)
            value = str(text.drop_nulls().value_counts().sort("count", text.name)[text.name][0])
            label_R = (text == value).cast(pl.Float32).fill_null(np.nan).to_numpy()
            chosen, label_RT = [column], [label_R]
            found.tasks.append(TaskGuess(column.name, float(np.nanmean(label_R)), value))
    _funnel(found, label_RT)
    return [column for column in columns if column not in chosen], label_RT


def _funnel(found: TableDraft, label_RT: Sequence[Floats]) -> None:
    """A task follows the rarest one whose positives contain all of its own."""
    ones_TR = [label_R == 1 for label_R in label_RT]
    for task, ones_R in zip(found.tasks, ones_TR, strict=True):
        around = [
            (int(others_R.sum()), other.column)
            for other, others_R in zip(found.tasks, ones_TR, strict=True)
            if other is not task and ones_R.sum() >= LEAST_SUBSET and others_R.sum() > ones_R.sum()
            if not (ones_R & ~others_R).any()
        ]
        task.after = min(around)[1] if around else None


def _leaks(columns: Sequence[Column], label_RT: Sequence[Floats], found: TableDraft) -> list[Column]:
    left = []
    for column in columns:
        told = []
        for task, label_R in zip(found.tasks, label_RT, strict=True) if column.kind != "list" else ():
            area = separation(column.cells, label_R, by_value=column.kind != "text")
            if area is not None and area > SUSPICIOUS:
                told.append(f"`{task.column}` (AUC {area:.3f})")
        if told:
            found.left_out[column.name] = f"a leak: alone it tells {', '.join(told)}"
        elif LATER.search(column.name.casefold()):
            found.left_out[column.name] = "by its name, known only afterwards; a feature if it is known in time"
        else:
            left.append(column)
    return left


def _time(columns: Sequence[Column], found: TableDraft) -> list[Column]:
    """The rows are split by the last moment that most rows have. Of all moments only the parts that come again are
    features."""
    times = [one for one in columns if one.kind == "time"]
    named = [one for one in columns if one.kind == "number" and TIME.search(one.name.casefold()) and one.distinct > 2]
    known = [one for one in times or named[:1] if one.missing == 0 and one.distinct > 9]
    if found.part_column is None and known:
        found.time = known[0]
    moments = times if times or found.time is None else [found.time]
    for column in moments:
        split = "the rows are split by it" if column is found.time else "a moment that no later row has again"
        said = found.notes if column.kind == "time" and column.date_parts else found.left_out
        said[column.name] = f"{split}; as a `number` a model would learn the past by heart"
    return [one for one in columns if one.name not in found.left_out]


def _levels(columns: Sequence[Column], found: TableDraft, table: _Table) -> list[Column]:
    """At most two columns of few values whose names say where a row happened, the one of fewer values on top."""

    def score(column: Column) -> int:
        return len(SCENARIO & set(column.words))

    single = [one for one in columns if one.kind not in ("list", "time")]
    few = [one for one in single if score(one) and 2 <= one.distinct <= MOST_NODES and one.missing < 0.05]
    chosen = sorted(sorted(few, key=lambda one: (-score(one), one.distinct))[:2], key=lambda one: one.distinct)
    levels = []
    for column in chosen:
        counts = table.counts([column.name])
        known = counts.drop_nulls()
        missing = int(counts["len"].sum()) - int(known["len"].sum())
        levels.append(LevelGuess(column.name, known[column.name].to_list(), missing=missing))
    for above, level in pairwise(levels):
        for value, parent, _ in table.counts([level.column, above.column]).drop_nulls().rows():
            level.parents.setdefault(value, []).append(parent)
    found.levels = levels
    return [one for one in columns if one not in chosen]


def _features(columns: Sequence[Column], label_RT: Sequence[Floats], found: TableDraft) -> None:
    found.shared = shared_values(columns)
    for column in columns:
        found.features.append(column)
        if column.may_grow:
            found.notes[column.name] = "by its name, it may grow later: is it known in time?"
        if KEY.search(column.name.casefold()) and column.kind == "number" and not column.is_whole:
            found.notes[column.name] = "named like an id, but holds fractions"
        for task, label_R in zip(found.tasks, label_RT, strict=True):
            if column.kind != "list" and (value := _always_alike(column, label_R)):
                found.notes[column.name] = f"no row with `{value}` has `{task.column}`: is it known in time?"


def _always_alike(column: Column, label_R: Any) -> str:
    """A frequent value without any positive, where at least 100 would be expected; empty without one."""
    if column.distinct > 20:
        return ""
    rows = pl.DataFrame({"value": as_text(column.cells), "label": label_R}).filter(pl.col("label").is_not_nan())
    mean = float(rows["label"].mean() or 0.0)  # type: ignore[arg-type]
    counts = rows.drop_nulls().group_by("value").agg(pl.len(), pl.col("label").sum())
    odd = counts.filter((pl.col("label") == 0) & (pl.col("len") * mean >= 100)).sort("len", descending=True)
    return str(odd["value"][0]) if odd.height else ""
