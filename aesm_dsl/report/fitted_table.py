"""A table in the width of a terminal: what does not fit is stacked, and no number is ever cut.

Columns aligned to the left hold words, which may fold; those aligned to the right hold numbers. If the numbers do not
fit beside the words, the table becomes several, one below the other, each with the words again.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

BORDERS = 3
"""Characters beside a column's text: two of padding, and a line."""
WORDS = (30, 20, 12, 6)
"""How wide columns of words stay, at the most, while numbers are fitted in beside them: the first that leaves
half of the width to the numbers, and lets the widest in."""


def fitted(table: Table, width: int | None) -> list[RenderableType]:
    """Returns what to print for a table, one below the other: its title, the table or its parts, its caption.

    Args:
        table: any table; markup in its cells is kept, title and caption are plain text.
        width: of the terminal, in characters; None for as much as the table needs.
    """
    above = [Text(str(table.title), style="table.title")] if table.title else []
    below = [Text(str(table.caption), style="table.caption")] if table.caption else []
    return [*above, *_parts(table, width), *below]


def natural_width(table: Table) -> int:
    """Returns the width that a table needs if nothing folds."""
    return 1 + sum(_text_width(column) + BORDERS for column in table.columns)


def _parts(table: Table, width: int | None) -> list[Table]:
    columns = list(table.columns)
    if width is None or natural_width(table) <= width:
        return [_part(table, columns, broken=False)]
    words = [column for column in columns if column.justify != "right"]
    numbers = [column for column in columns if column.justify == "right"]
    narrow = {id(column): _number_width(column) + BORDERS for column in numbers}
    widest = max(narrow.values(), default=0)
    kept = [1 + sum(min(_text_width(column), most) + BORDERS for column in words) for most in WORDS]
    beside = next((size for size in kept if size <= width / 2 and size + widest <= width), kept[-1])
    groups: list[list[Column]] = [[]]
    for column in numbers:
        used = beside + sum(narrow[id(other)] for other in groups[-1])
        if groups[-1] and used + narrow[id(column)] > width:
            groups.append([])
        groups[-1].append(column)
    first = [_part(table, [column for column in columns if column in words or column in groups[0]])]
    # Long remarks stand in the first part alone; what names a row is its leading words.
    leading = words[: next((at for at, column in enumerate(columns) if column.justify == "right"), len(words))]
    return first + [_part(table, [*leading, *group]) for group in groups[1:]]


def _part(table: Table, columns: Sequence[Column], *, broken: bool = True) -> Table:
    """The table of some columns; `broken` breaks the headers of numbers between their words."""
    part = Table()
    for column in columns:
        number = column.justify == "right"
        header = "\n".join(_words(column)) if number and broken else column.header
        part.add_column(
            header, justify=column.justify, style=column.style, no_wrap=number, overflow="crop" if number else "fold"
        )
    cells = [list(column.cells) for column in columns]
    for at, row in enumerate(table.rows):
        part.add_row(*(column[at] for column in cells), style=row.style, end_section=row.end_section)
    return part


def _text_width(column: Column) -> int:
    return max(_width(cell) for cell in (column.header, *column.cells))


def _number_width(column: Column) -> int:
    """The width of a column of numbers whose header is broken between its words."""
    words = [cell_len(word) for word in _words(column)]
    return max([*words, *(_width(cell) for cell in column.cells)], default=0)


def _words(column: Column) -> list[str]:
    """The words of a header; a unit stays with its number."""
    return [word.replace("\xa0", " ") for word in str(column.header).replace(" %", "\xa0%").split(" ")]


def _width(cell: RenderableType) -> int:
    text = cell if isinstance(cell, Text) else Text.from_markup(str(cell))
    return max((cell_len(line) for line in text.plain.split("\n")), default=0)
