"""Columns that hold the same things as another: `last_fund_id` and `clicked_funds` beside `fund_id`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aesm_dsl.data.draft.column import KEY, Column
from aesm_dsl.data.reading.values import as_text

BEFORE = re.compile(
    r"(^|_)(hist|history|last|latest|recent|past|prev|previous|seq|sequence|clicked|viewed|seen|bought|visited|watched|"
    r"played|liked|ordered)(?=_|$)"
)
"""Words in the names of columns about what happened before the row."""
COMMON = 0.2
"""Share of a column's values that the other has too, in a sample."""


def shared_values(columns: Sequence[Column]) -> dict[str, str]:
    """Column -> the column whose things it holds as well: both are called alike, and have values in common."""
    found: dict[str, str] = {}
    for column in columns:
        for other in columns:
            alike = column is not other and other.is_key and other.kind != "list" and _thing(column) == _thing(other)
            derived = column.kind == "list" or (_is_before(column) and not _is_before(other))
            if alike and derived and column.kind in ("list", "number", "text") and _in_common(column, other):
                found[column.name] = other.name
                break
    return found


def is_history(column: Column) -> bool:
    """Whether a column of lists is, by its name, what happened one after the other."""
    return column.kind == "list" and _is_before(column)


def _is_before(column: Column) -> bool:
    return BEFORE.search(column.name.casefold()) is not None


def _thing(column: Column) -> str:
    """What a column is called, less the words that say how it holds it: `fund` for `clicked_fund_ids`."""
    bare = KEY.sub("", BEFORE.sub("", column.name.casefold())).strip("_")
    return re.sub(r"(?<=[^s])s$", "", bare)


def _in_common(column: Column, other: Column) -> bool:
    own = as_text((column.values if column.kind == "list" else column).cells).drop_nulls()
    known = own.is_in(as_text(other.cells).unique().implode())
    return len(own) > 0 and int(known.sum()) >= COMMON * len(own)
