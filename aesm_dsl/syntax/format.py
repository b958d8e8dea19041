"""Tree -> text in the one layout: two blanks a level, one statement a line, neighbours aligned, all comments kept.

A block that was written on one line stays on one if it fits; everything else about the layout is the formatter's.
Blank lines are kept, at most one at a time, but not before a closing brace. A list or call that does not fit on its
line, or holds comments, takes several: plain values fill lines, anything else stands on lines of its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wcwidth import wcwidth

from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.syntax import tree

WIDEST = 100
"""Columns a line may have, its comment aside, before a list, call or block is broken over several."""
WIDEST_ALIGNED = 120
"""Columns a line may have once it is aligned with its neighbours; where one has more, none of them is aligned."""

_WORD = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(slots=True)
class _Line:
    """One line to be. Lines of the same `run` that follow each other have their cells aligned."""

    indent: int
    cells: tuple[str, ...]
    run: str = ""
    comment: str = ""


def format_file(file: tree.File) -> str:
    """The file's text in the one layout. The file must be undamaged: what is not in the tree is not printed."""
    lines: list[_Line] = []
    _statements(file.statements, file.closing, None, 0, lines)
    return _print(lines)


def format_value(value: tree.Value) -> str:
    """A value on one line."""
    match value:
        case tree.Word() | tree.Text():
            return value.span.text
        case tree.Number(unit=unit):
            return value.digits.text + (f" {unit.text}" if unit else "")
        case tree.List(items):
            return f"[{', '.join(format_value(item) for item in items)}]"
        case tree.Call(name, arguments):
            return f"{name.text}({', '.join(_name(one) + format_value(one.value) for one in arguments)})"


def _name(argument: tree.Argument) -> str:
    return f"{argument.name.text}: " if argument.name else ""


def _statements(
    statements: Sequence[tree.Statement],
    closing: tuple[tree.Comment, ...],
    end: int | None,
    indent: int,
    lines: list[_Line],
) -> None:
    """`end` is where that ends which stands above, None at the start of a file."""
    for statement in statements:
        end = _comments(statement.before, end, indent, lines)
        _gap(statement.span.start, end, statement, lines)
        if isinstance(statement, tree.Setting):
            _setting(statement, indent, lines)
        else:
            _block(statement, indent, lines)
        end = statement.after.span.end if statement.after else statement.span.end
    _comments(closing, end, indent, lines)


def _comments(comments: tuple[tree.Comment, ...], end: int | None, indent: int, lines: list[_Line]) -> int | None:
    for comment in comments:
        _gap(comment.span.start, end, comment, lines)
        lines.append(_Line(indent, (comment.text.rstrip(),)))
        end = comment.span.end
    return end


def _gap(start: int, end: int | None, what: tree.Statement | tree.Comment, lines: list[_Line]) -> None:
    """A blank line where the source has one or more."""
    if end is not None and what.span.source.text.count("\n", end, start) > 1:
        lines.append(_Line(0, ()))


def _setting(setting: tree.Setting, indent: int, lines: list[_Line]) -> None:
    key, value = setting.key.text, setting.value
    text = format_value(value)
    if not setting.inside and (_fits(indent, f"{key} = {text}") or not _breakable(value)):
        lines.append(_Line(indent, (key, f"= {text}"), "setting"))
    else:
        _broken(f"{key} = ", value, "", indent, list(setting.inside), lines)
    if setting.after:
        lines[-1].comment = setting.after.text.rstrip()


def _breakable(value: tree.Value) -> bool:
    return bool(value.items if isinstance(value, tree.List) else isinstance(value, tree.Call) and value.arguments)


def _broken(
    head: str, value: tree.Value, tail: str, indent: int, inside: list[tree.Comment], lines: list[_Line]
) -> None:
    """A list or call over several lines, with those of the comments `inside` that stand in it; these are taken out."""
    assert isinstance(value, tree.List | tree.Call)
    items: list[tuple[str, tree.Value, int]]
    if isinstance(value, tree.List):
        start, opening, closing = value.span.start, "[", "]"
        items = [("", item, item.span.start) for item in value.items]
    else:
        start, opening, closing = value.name.span.end, f"{value.name.text}(", ")"
        items = [(_name(one), one.value, one.span.start) for one in value.arguments]
    lines.append(_Line(indent, (head + opening,)))
    limits = [first for _, _, first in items[1:]] + [value.span.end]
    _beside(value, start, items[0][2] if items else value.span.end, inside, lines)
    if _plain(value) and not _within(value.span.end, inside):
        _fill([name + format_value(item) for name, item, _ in items], indent + 1, lines)
        items = []
    for (name, item, _), limit in zip(items, limits, strict=False):
        _above(item.span.start, inside, indent + 1, lines)
        text = f"{name}{format_value(item)},"
        if _within(item.span.end, inside) or (_breakable(item) and not _fits(indent + 1, text)):
            _broken(name, item, ",", indent + 1, inside, lines)
        else:
            lines.append(_Line(indent + 1, (text,), "item"))
        _beside(value, item.span.end, limit, inside, lines)
    _above(value.span.end, inside, indent + 1, lines)
    lines.append(_Line(indent, (closing + tail,)))


def _plain(value: tree.Value) -> bool:
    """Whether it is a list of words, strings and numbers."""
    return isinstance(value, tree.List) and not any(isinstance(item, tree.List | tree.Call) for item in value.items)


def _within(end: int, inside: list[tree.Comment]) -> bool:
    return bool(inside) and inside[0].span.start < end


def _above(end: int, inside: list[tree.Comment], indent: int, lines: list[_Line]) -> None:
    """The comments before `end`, on lines of their own."""
    while _within(end, inside):
        lines.append(_Line(indent, (inside.pop(0).text.rstrip(),)))


def _beside(value: tree.Value, start: int, limit: int, inside: list[tree.Comment], lines: list[_Line]) -> None:
    """The next comment, if it stands on the line of `start` and before `limit`, goes behind the last line."""
    if _within(limit, inside) and "\n" not in value.span.source.text[start : inside[0].span.start]:
        lines[-1].comment = inside.pop(0).text.rstrip()


def _fill(texts: list[str], indent: int, lines: list[_Line]) -> None:
    row = ""
    for text in texts:
        if row and not _fits(indent, f"{row} {text},"):
            lines.append(_Line(indent, (row,)))
            row = ""
        row += f"{' ' * bool(row)}{text},"
    if row:
        lines.append(_Line(indent, (row,)))


def _block(block: tree.Block, indent: int, lines: list[_Line]) -> None:
    head = _head(block)
    comment = block.after.text.rstrip() if block.after else ""
    if (body := _one_line(block)) is not None:
        whole = " ".join(part for part in (*head, body) if part)
        if not block.statements or _fits(indent, whole):
            lines.append(_Line(indent, (*head, body), f"{block.kind.text} {bool(block.name)}", comment))
            return
    opening = block.opening.text.rstrip() if block.opening else ""
    lines.append(_Line(indent, (" ".join([*(part for part in head if part), "{"]),), comment=opening))
    above = block.opening.span.end if block.opening else block.span.source.text.index("{", block.head.end)
    _statements(block.statements, block.closing, above, indent + 1, lines)
    lines.append(_Line(indent, ("}",), comment=comment))


def _head(block: tree.Block) -> tuple[str, str]:
    """Kind with name, and label."""
    name = f" {block.name.text}" if block.name else ""
    return f"{block.kind.text}{name}", block.label.span.text if block.label else ""


def _one_line(block: tree.Block) -> str | None:
    """The body of a block that stands on one line, braces included; None when it takes several."""
    if not block.braces:
        return ""
    if block.opening or block.closing:
        return None
    if not block.statements:
        return "{}"
    if "\n" in block.span.text:
        return None
    parts = []
    for statement in block.statements:
        if isinstance(statement, tree.Setting):
            parts.append(f"{statement.key.text} = {format_value(statement.value)}")
        else:
            body = _one_line(statement)
            assert body is not None
            parts.append(" ".join(part for part in (*_head(statement), body) if part))
    return "{ " + "; ".join(parts) + " }"


def _print(lines: list[_Line]) -> str:
    text: list[str] = []
    start = 0
    while start < len(lines):
        first, end = lines[start], start + 1
        if first.run:
            while end < len(lines) and (lines[end].run, lines[end].indent) == (first.run, first.indent):
                end += 1
        text.extend(_aligned(lines[start:end]))
        start = end
    return "".join(f"{line}\n" for line in text)


def _aligned(run: list[_Line]) -> list[str]:
    """The run's lines: every cell but the last padded to its column's width, comments in one column."""
    blanks = "  " * run[0].indent
    rows = [blanks + " ".join(cell for cell in line.cells if cell) for line in run]
    if len(run) > 1 and len(run[0].cells) > 1:
        widths = [max(map(display_width, column)) for column in zip(*(line.cells for line in run), strict=True)]
        padded = [
            blanks + " ".join(_pad(cell, width) for cell, width in zip(line.cells, widths, strict=True) if width)
            for line in run
        ]
        padded = [row.rstrip() if line.cells[-1] == "" else row for row, line in zip(padded, run, strict=True)]
        if max(map(display_width, padded)) <= WIDEST_ALIGNED:
            rows = padded
    edge = max((display_width(row) for row, line in zip(rows, run, strict=True) if line.comment), default=0)
    return [
        f"{_pad(row.rstrip(), edge)}  {line.comment}" if line.comment else row.rstrip()
        for row, line in zip(rows, run, strict=True)
    ]


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - display_width(cell))


def _fits(indent: int, text: str) -> bool:
    return 2 * indent + display_width(text) <= WIDEST


def display_width(text: str) -> int:
    """How wide a terminal shows the text; characters without a width, such as controls, count as nothing."""
    return len(text) if text.isascii() and text.isprintable() else sum(map(_width, text))


@functools.cache
def _width(character: str) -> int:
    return max(wcwidth(character), 0)


def is_word(text: str) -> bool:
    """Whether a text can stand as a bare name, dots included, and reads back as itself."""
    return bool(_WORD.fullmatch(text)) and normalize(text) == text
