"""A table -> `TableDraft`: what each of its columns is probably for, and why. `write_spec` makes a spec of it.

Most of it is guessed from a sample of the rows; nodes and paths are those of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.draft.column_names import INDEX, KEY, POSITION, QUERY, SCENARIO, TIME, USER, WEIGHT, plain_name
from aesm_dsl.data.draft.labels import take_labels
from aesm_dsl.data.draft.outcomes import leave_out_outcomes, rare_value
from aesm_dsl.data.draft.sampled_table import SampledTable
from aesm_dsl.data.draft.shared_values import shared_values
from aesm_dsl.data.draft.table_draft import LevelGuess, TableDraft
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.findings.diagnostic import Findings, quoted

MOST_NODES = 40
"""A column with more values is not a level."""
LEAST_TIMES = 10
"""A column with fewer timestamps does not split the rows."""
LARGEST_TIME = 0.4
"""A timestamp that more of the rows share cannot be split where it should be."""


def infer_roles(files: Sequence[DataFile], findings: Findings) -> TableDraft | None:
    """Guesses the roles of the columns that all files have.

    Returns:
        The roles; None after reporting that the files cannot be read (E502), that there are no rows (E505) or that no
        column looks like a label (E511).
    """
    named = {name: None for file in files for name in file.schema}
    common = [name for name in named if all(name in file.schema for file in files) and not _is_index(name)]
    table = read_or_report(lambda: SampledTable(files, common), files[0].path, files[0].name, None, findings)
    if table is None:
        return None
    names = quoted((file.name for file in files), 3)
    if not table.rows:
        findings.add("E505", f"no rows in {names}")
        return None
    draft = TableDraft(table.rows)
    for name in named:
        if name not in common:
            numbers = "by its name, the numbers of the rows"
            draft.left_out[name] = numbers if _is_index(name) else "some of the files lack it"
    columns = [Column.of(table.sample[name], table.distinct(name), table.rows) for name in common]
    columns = _take_parts(_take_useful(columns, draft), draft)
    columns = take_labels(columns, draft)
    if not draft.tasks:
        findings.add(
            "E511",
            f"no column of {names} looks like a label",
            help=["a label is a column of 0 and 1, or of two words", f"the columns are {quoted(common)}"],
        )
        return None
    columns = leave_out_outcomes(columns, draft)
    columns = _take_time(columns, draft)
    columns = _take_levels(columns, draft, table)
    _take_features(columns, draft)
    return draft


def _is_index(name: str) -> bool:
    return INDEX.search(plain_name(name)) is not None


def _take_useful(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Leaves out columns that nothing can be learnt from; finds the user and the query."""
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
        elif USER.search(column.plain) and draft.user is None and column.kind != "time":
            draft.user = column.name
            left.append(column)
        elif QUERY.search(column.plain) and draft.query is None and column.kind != "time" and not column.unique:
            draft.query = column.name
            draft.left_out[column.name] = "says which rows were shown together: it is the `query` of `data`"
        elif WEIGHT.search(column.plain) and column.kind == "number":
            draft.left_out[column.name] = f"looks like a row weight: if so, write `weight = {column.name}` in `data`"
        elif column.unique and (column.kind == "text" or (column.kind == "number" and column.is_whole)):
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


def _take_time(columns: Sequence[Column], draft: TableDraft) -> list[Column]:
    """Finds the timestamp that the rows are split by: the first one that no row lacks.

    Of a timestamp only the parts that repeat become features.
    """
    times = [column for column in columns if column.kind == "time"]
    named_so = [
        column for column in columns if column.kind == "number" and TIME.search(column.plain) and column.distinct > 2
    ]
    usable = [
        column
        for column in times or named_so[:1]
        if column.missing == 0 and column.distinct >= LEAST_TIMES and _largest(column) <= LARGEST_TIME
    ]
    if draft.part_column is None and usable:
        draft.time = usable[0]
    timestamps = times if times or draft.time is None else [draft.time]
    for column in timestamps:
        reason = "the rows are split by it" if column is draft.time else "a timestamp that no later row has again"
        remark = f"{reason}; as a `number` a model would memorize the past"
        if column.kind == "time" and column.date_parts:
            draft.notes[column.name] = f"{column.doubt}; {remark}" if column.doubt else remark
        else:
            draft.left_out[column.name] = remark
    return [column for column in columns if column.name not in draft.left_out]


def _largest(column: Column) -> float:
    """The share of the rows that have the most frequent value."""
    return float(column.cells.value_counts(normalize=True, name="\0share")["\0share"].max() or 0.0)  # type: ignore[arg-type]


def _take_levels(columns: Sequence[Column], draft: TableDraft, table: SampledTable) -> list[Column]:
    """Finds the levels: at most two columns of few values whose names say where a row happened.

    The column with fewer values is the upper level.
    """

    def score(column: Column) -> int:
        return len(SCENARIO & set(column.plain.split("_")))

    single = [column for column in columns if column.kind not in ("list", "time") and column.form is None]
    few = [
        column
        for column in single
        if score(column) and 2 <= column.distinct <= MOST_NODES and column.missing < 0.05 and not column.is_earlier
    ]
    best = sorted(few, key=lambda column: (-score(column), column.distinct))[:2]
    chosen = sorted(best, key=lambda column: column.distinct)
    levels = []
    for column in chosen:
        counts = table.counts([column.name])
        known = counts.drop_nulls()
        missing = int(counts.to_series(-1).sum()) - int(known.to_series(-1).sum())
        levels.append(LevelGuess(column.name, known[column.name].to_list(), missing=missing))
    for above, level in pairwise(levels):
        for value, parent, _ in table.counts([level.column, above.column]).drop_nulls().rows():
            level.parents.setdefault(value, []).append(parent)
    draft.levels = levels
    return [column for column in columns if column not in chosen]


def _take_features(columns: Sequence[Column], draft: TableDraft) -> None:
    """Makes features of the columns, with notes where the user should look."""
    draft.shared = shared_values(columns)
    for column in columns:
        draft.features.append(column)
        if column.may_grow:
            draft.notes[column.name] = "by its name, it may grow later: is it known in time?"
        if POSITION.search(column.plain):
            draft.notes[column.name] = "by its name, where the row was shown: is it known in time?"
        if KEY.search(column.plain) and column.kind == "number" and not column.is_whole:
            draft.notes[column.name] = "named like an id, but holds fractions"
        if column.doubt and column.kind == "number":
            draft.notes[column.name] = column.doubt
        for task in draft.tasks:
            if remark := rare_value(column, task):
                draft.notes[column.name] = remark
