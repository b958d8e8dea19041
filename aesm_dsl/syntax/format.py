"""Prints a syntax tree in the one layout: two blanks per level, one statement per line, neighbours aligned.

A block that was written on one line stays on one line if it fits; the formatter decides everything else. Blank lines
are kept, at most one at a time, but none before a closing brace. A list or call that does not fit on its line, or that
contains comments, takes several lines: plain values fill the lines, anything else stands on lines of its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from wcwidth import wcwidth

from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.syntax import tree

WIDEST = 100
"""Terminal columns of a line, without its comment, above which a list, call or block is broken over several lines."""
WIDEST_ALIGNED = 120
"""Terminal columns of a line after alignment; if one line of a run would have more, the run is not aligned."""

_WORD = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(slots=True)
class _Line:
    """A line before alignment."""

    indent: int
    """Its level; each level is two blanks."""
    cells: tuple[str, ...]
    """Parts of its text; those of neighbouring lines with the same `run` are aligned."""
    run: str = ""
    """What kind of line it is; lines without a kind are never aligned."""
    comment: str = ""


def format_file(file: tree.File) -> str:
    """Returns a file's text in the one layout.

    Args:
        file: an undamaged tree; text that is not in the tree is not printed.
    """
    layout = _Layout()
    layout.add_statements(file.statements, file.closing, None, 0)
    return _print(layout.lines)


def format_value(value: tree.Value) -> str:
    """Returns the text of a value on one line."""
    match value:
        case tree.Word() | tree.Text():
            return value.span.text
        case tree.Number(unit=unit):
            return value.digits.text + (f" {unit.text}" if unit else "")
        case tree.List(items):
            return f"[{', '.join(format_value(item) for item in items)}]"
        case tree.Call(name, arguments):
            values = [_argument_name(argument) + format_value(argument.value) for argument in arguments]
            return f"{name.text}({', '.join(values)})"


def _argument_name(argument: tree.Argument) -> str:
    return f"{argument.name.text}: " if argument.name else ""


class _Layout:
    """Collects the lines of a file."""

    def __init__(self) -> None:
        self.lines: list[_Line] = []

    def add(self, indent: int, cells: tuple[str, ...], run: str = "", comment: str = "") -> None:
        self.lines.append(_Line(indent, cells, run, comment))

    def add_statements(
        self, statements: Sequence[tree.Statement], closing: tuple[tree.Comment, ...], end: int | None, indent: int
    ) -> None:
        """Adds the statements of a file or a block.

        Args:
            statements: the statements.
            closing: the comments after them.
            end: offset of the end of the text above them; None at the start of a file.
            indent: their level.
        """
        for statement in statements:
            end = self.add_comments(statement.before, end, indent)
            self.add_gap(statement, end)
            if isinstance(statement, tree.Setting):
                self.add_setting(statement, indent)
            else:
                self.add_block(statement, indent)
            end = statement.after.span.end if statement.after else statement.span.end
        self.add_comments(closing, end, indent)

    def add_comments(self, comments: tuple[tree.Comment, ...], end: int | None, indent: int) -> int | None:
        """Adds comments on lines of their own; returns the end of the last one, or `end` if there are none."""
        for comment in comments:
            self.add_gap(comment, end)
            self.add(indent, (comment.text.rstrip(),))
            end = comment.span.end
        return end

    def add_gap(self, node: tree.Statement | tree.Comment, end: int | None) -> None:
        """Adds a blank line if the source has one or more between `end` and the node."""
        if end is not None and node.span.source.text.count("\n", end, node.span.start) > 1:
            self.add(0, ())

    def add_setting(self, setting: tree.Setting, indent: int) -> None:
        key, value = setting.key.text, setting.value
        text = format_value(value)
        if not setting.inside and (_fits(indent, f"{key} = {text}") or not _breakable(value)):
            self.add(indent, (key, f"= {text}"), "setting")
        else:
            self.add_broken(f"{key} = ", value, "", indent, list(setting.inside))
        if setting.after:
            self.lines[-1].comment = setting.after.text.rstrip()

    def add_broken(self, head: str, value: tree.Value, tail: str, indent: int, inside: list[tree.Comment]) -> None:
        """Adds a list or call over several lines.

        Args:
            head: text before it on its first line.
            value: the list or call.
            tail: text after it on its last line.
            indent: level of the first line.
            inside: comments of the setting that are not printed yet; those inside the value are taken out.
        """
        assert isinstance(value, tree.List | tree.Call)
        items: list[tuple[str, tree.Value, int]]
        if isinstance(value, tree.List):
            start, opening, closing = value.span.start, "[", "]"
            items = [("", item, item.span.start) for item in value.items]
        else:
            start, opening, closing = value.name.span.end, f"{value.name.text}(", ")"
            items = [(_argument_name(item), item.value, item.span.start) for item in value.arguments]
        self.add(indent, (head + opening,))
        limits = [first for _, _, first in items[1:]] + [value.span.end]
        self.add_comment_behind(value, start, items[0][2] if items else value.span.end, inside)
        if _is_plain(value) and not _starts_before(value.span.end, inside):
            self.add_filled([name + format_value(item) for name, item, _ in items], indent + 1)
            items = []
        for (name, item, _), limit in zip(items, limits, strict=False):
            self.add_comments_before(item.span.start, inside, indent + 1)
            text = f"{name}{format_value(item)},"
            if _starts_before(item.span.end, inside) or (_breakable(item) and not _fits(indent + 1, text)):
                self.add_broken(name, item, ",", indent + 1, inside)
            else:
                self.add(indent + 1, (text,), "item")
            self.add_comment_behind(value, item.span.end, limit, inside)
        self.add_comments_before(value.span.end, inside, indent + 1)
        self.add(indent, (closing + tail,))

    def add_comments_before(self, end: int, inside: list[tree.Comment], indent: int) -> None:
        """Adds the comments that start before `end`, on lines of their own."""
        while _starts_before(end, inside):
            self.add(indent, (inside.pop(0).text.rstrip(),))

    def add_comment_behind(self, value: tree.Value, start: int, limit: int, inside: list[tree.Comment]) -> None:
        """Puts the next comment behind the last line if it starts on the line of `start` and before `limit`."""
        if _starts_before(limit, inside) and "\n" not in value.span.source.text[start : inside[0].span.start]:
            self.lines[-1].comment = inside.pop(0).text.rstrip()

    def add_filled(self, texts: list[str], indent: int) -> None:
        """Adds items, as many to a line as fit."""
        row = ""
        for text in texts:
            if row and not _fits(indent, f"{row} {text},"):
                self.add(indent, (row,))
                row = ""
            row += f"{' ' * bool(row)}{text},"
        if row:
            self.add(indent, (row,))

    def add_block(self, block: tree.Block, indent: int) -> None:
        head = _head(block)
        comment = block.after.text.rstrip() if block.after else ""
        if (body := _one_line_body(block)) is not None:
            whole = " ".join(part for part in (*head, body) if part)
            if not block.statements or _fits(indent, whole):
                self.add(indent, (*head, body), f"{block.kind.text} {bool(block.name)}", comment)
                return
        opening = block.opening.text.rstrip() if block.opening else ""
        self.add(indent, (" ".join([*(part for part in head if part), "{"]),), comment=opening)
        start = block.opening.span.end if block.opening else block.span.source.text.index("{", block.head.end)
        self.add_statements(block.statements, block.closing, start, indent + 1)
        self.add(indent, ("}",), comment=comment)


def _breakable(value: tree.Value) -> bool:
    return bool(value.items if isinstance(value, tree.List) else isinstance(value, tree.Call) and value.arguments)


def _is_plain(value: tree.Value) -> bool:
    """Whether it is a list of words, strings and numbers."""
    return isinstance(value, tree.List) and not any(isinstance(item, tree.List | tree.Call) for item in value.items)


def _starts_before(end: int, comments: list[tree.Comment]) -> bool:
    return bool(comments) and comments[0].span.start < end


def _head(block: tree.Block) -> tuple[str, str]:
    """Kind with name, and label."""
    name = f" {block.name.text}" if block.name else ""
    return f"{block.kind.text}{name}", block.label.span.text if block.label else ""


def _one_line_body(block: tree.Block) -> str | None:
    """The body of a block that was written on one line, braces included; None if it takes several lines."""
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
            body = _one_line_body(statement)
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
    """The texts of a run of lines: cells are padded to the widths of their columns, comments start in one column."""
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
    widest = max((display_width(row) for row, line in zip(rows, run, strict=True) if line.comment), default=0)
    return [
        f"{_pad(row.rstrip(), widest)}  {line.comment}" if line.comment else row.rstrip()
        for row, line in zip(rows, run, strict=True)
    ]


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - display_width(cell))


def _fits(indent: int, text: str) -> bool:
    return 2 * indent + display_width(text) <= WIDEST


def display_width(text: str) -> int:
    """Returns the terminal columns that a text takes; characters without a width, such as controls, count as 0."""
    return len(text) if text.isascii() and text.isprintable() else sum(map(_width, text))


@functools.cache
def _width(character: str) -> int:
    return max(wcwidth(character), 0)


def is_word(text: str) -> bool:
    """Whether a text can be written as a bare name, dots included, and reads back unchanged."""
    return bool(_WORD.fullmatch(text)) and normalize(text) == text
