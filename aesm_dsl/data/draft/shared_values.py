"""Finds columns that hold the same things as another: `last_fund_id` and `clicked_funds` beside `fund_id`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aesm_dsl.data.draft.column import Column
from aesm_dsl.data.draft.column_names import KEY
from aesm_dsl.data.reading.values import as_text

BEFORE = re.compile(
    r"(^|_)(hist|history|last|latest|recent|past|prev|previous|seq|sequence|clicked|viewed|seen|bought|visited|watched|"
    r"played|liked|ordered)(?=_|$)"
)
"""Words in the names of columns about what happened before the row."""
COMMON = 0.2
"""Share of a column's values that the other column must have too, in the sample."""


def shared_values(columns: Sequence[Column]) -> dict[str, str]:
    """Returns column -> the column whose things it holds too: both have similar names, and values in common."""
    shared: dict[str, str] = {}
    for column in columns:
        for other in columns:
            alike = column is not other and other.is_key and other.kind != "list" and _thing(column) == _thing(other)
            derived = column.kind == "list" or (_is_before(column) and not _is_before(other))
            if alike and derived and column.kind in ("list", "number", "text") and _in_common(column, other):
                shared[column.name] = other.name
                break
    return shared


def is_history(column: Column) -> bool:
    """Returns whether a column of lists holds, by its name, things that happened one after the other."""
    return column.kind == "list" and _is_before(column)


def _is_before(column: Column) -> bool:
    return BEFORE.search(column.plain) is not None


def _thing(column: Column) -> str:
    """The name of a column without the words that say how it holds its things: `fund` for `clicked_fund_ids`."""
    bare = KEY.sub("", BEFORE.sub("", column.plain)).strip("_")
    return re.sub(r"(?<=[^s])s$", "", bare)


def _in_common(column: Column, other: Column) -> bool:
    values = as_text((column.values if column.kind == "list" else column).cells).drop_nulls()
    known = values.is_in(as_text(other.cells).unique().implode())
    return len(values) > 0 and int(known.sum()) >= COMMON * len(values)
