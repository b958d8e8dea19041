"""Tree -> text in the one layout: two blanks a level, one statement a line, neighbours aligned, all comments kept.

A block that was written on one line stays on one if it fits; everything else about the layout is the formatter's.
Blank lines between statements are kept, at most one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wcwidth import wcswidth

from aesm_dsl.syntax import tree

WIDEST = 100
"""Columns a line may have before a list, call or block is broken over several."""


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
    _statements(file.statements, file.closing, 0, lines)
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
            return f"{name.text}({', '.join(_argument(one) for one in arguments)})"


def _argument(argument: tree.Argument) -> str:
    name = f"{argument.name.text}: " if argument.name else ""
    return name + format_value(argument.value)


def _statements(
    statements: Sequence[tree.Statement], closing: tuple[tree.Comment, ...], indent: int, lines: list[_Line]
) -> None:
    end: int | None = None
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
    comment = setting.after.text.rstrip() if setting.after else ""
    value = format_value(setting.value)
    fits = 2 * indent + wcswidth(f"{setting.key.text} = {value}") <= WIDEST
    if (fits and not setting.inside) or not isinstance(setting.value, tree.List | tree.Call):
        lines.append(_Line(indent, (setting.key.text, f"= {value}"), "setting", comment))
        return
    if isinstance(setting.value, tree.List):
        opening, closing = "[", "]"
        items = [(item.span, format_value(item)) for item in setting.value.items]
    else:
        opening, closing = f"{setting.value.name.text}(", ")"
        items = [(argument.span, _argument(argument)) for argument in setting.value.arguments]
    lines.append(_Line(indent, (f"{setting.key.text} = {opening}",)))
    pending = list(setting.inside)
    for position, (span, text) in enumerate(items):
        following = items[position + 1][0].start if position + 1 < len(items) else setting.span.end
        while pending and pending[0].span.start < span.start:
            lines.append(_Line(indent + 1, (pending.pop(0).text.rstrip(),)))
        line = _Line(indent + 1, (f"{text},",))
        lines.append(line)
        source = span.source.text
        inner = [one for one in pending if one.span.start < following and "\n" not in source[span.end : one.span.start]]
        inner += [one for one in pending if one.span.start < span.end and one not in inner]
        for one in inner:
            pending.remove(one)
        line.comment = inner[0].text.rstrip() if inner else ""
        lines.extend(_Line(indent + 1, (one.text.rstrip(),)) for one in inner[1:])
    lines.extend(_Line(indent + 1, (one.text.rstrip(),)) for one in pending)
    lines.append(_Line(indent, (closing,), comment=comment))


def _block(block: tree.Block, indent: int, lines: list[_Line]) -> None:
    head = _head(block)
    comment = block.after.text.rstrip() if block.after else ""
    if (body := _one_line(block)) is not None:
        whole = " ".join([*head, body]).rstrip()
        if 2 * indent + wcswidth(whole) <= WIDEST or not block.statements:
            lines.append(_Line(indent, (*head, body), f"{block.kind.text} {bool(block.name)}", comment))
            return
    opening = block.opening.text.rstrip() if block.opening else ""
    lines.append(_Line(indent, (" ".join([*(part for part in head if part), "{"]),), comment=opening))
    _statements(block.statements, block.closing, indent + 1, lines)
    lines.append(_Line(indent, ("}",), comment=comment))


def _head(block: tree.Block) -> tuple[str, str]:
    """Kind with name, and label."""
    name = f" {block.name.text}" if block.name else ""
    return f"{block.kind.text}{name}", block.label.span.text if block.label else ""


def _one_line(block: tree.Block) -> str | None:
    """The body of a block that stands on one line, braces included; None when it takes several."""
    if not block.braces:
        return ""
    if block.opening or block.closing or "\n" in block.span.text:
        return None
    if not block.statements:
        return "{}"
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
        end = start + 1
        while (
            end < len(lines)
            and lines[start].run
            and (lines[end].run, lines[end].indent)
            == (
                lines[start].run,
                lines[start].indent,
            )
        ):
            end += 1
        text.extend(_aligned(lines[start:end]))
        start = end
    return "".join(f"{line}\n" for line in text)


def _aligned(run: list[_Line]) -> list[str]:
    """The run's lines: every cell but the last padded to its column's width, comments in one column."""
    columns = max(len(line.cells) for line in run)
    widths = [max(_width(line.cells, i) for line in run) for i in range(columns)]
    rows = []
    for line in run:
        cells = [
            cell if i + 1 == len(line.cells) else cell + " " * (widths[i] - wcswidth(cell))
            for i, cell in enumerate(line.cells)
        ]
        kept = [cell for cell, width in zip(cells, widths, strict=False) if width]
        rows.append(("  " * line.indent + " ".join(kept)).rstrip())
    edge = max((wcswidth(row) for row, line in zip(rows, run, strict=True) if line.comment), default=0)
    return [
        f"{row}{' ' * (edge - wcswidth(row) + 2)}{line.comment}" if line.comment else row
        for row, line in zip(rows, run, strict=True)
    ]


def _width(cells: tuple[str, ...], column: int) -> int:
    return wcswidth(cells[column]) if column < len(cells) else 0
