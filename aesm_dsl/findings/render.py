"""Renders findings as text for a terminal (`full`, `concise`), a program (`json`) or a GitHub log (`github`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rich.color import ColorSystem
from rich.style import Style
from wcwidth import wcwidth

from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.fix import Fix
from aesm_dsl.findings.printable import printable, shown_character
from aesm_dsl.findings.source import Span

FORMATS = ("full", "concise", "json", "github")

WIDEST = 140
"""Terminal columns that are shown of a source line; a longer line is cut around the marked place."""


def render(findings: Findings, form: str = "full", *, colour: bool = False) -> str:
    """Renders the findings, sorted by place, in one of FORMATS; the text ends with a newline unless it is empty."""
    items = findings.sorted()
    if form == "json":
        return json.dumps([as_data(item) for item in items], ensure_ascii=False, indent=2) + "\n"
    if form == "github":
        return "".join(_github(item) + "\n" for item in items)
    if form == "concise":
        return "".join(_concise(item) + "\n" for item in items)
    text = "".join(_full(item, colour) + "\n" for item in items)
    return text + summary(items) + "\n" if items else ""


def summary(items: Iterable[Diagnostic]) -> str:
    """Counts findings, as in `2 errors, 1 warning`."""
    counts = {"error": 0, "warning": 0}
    for item in items:
        counts[item.severity] += 1
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items() if n]
    return ", ".join(parts)


def as_data(item: Diagnostic) -> dict[str, Any]:
    """Returns a finding as values that JSON can hold.

    Lines and columns count from 1, columns in characters; the end of a place is excluded. `included_from` lists the
    imports that led to a place's file, the nearest first. `fixes` are alternative changes, each of which corrects the
    mistake: the text at each edit's place is replaced by its `text`.
    """
    data: dict[str, Any] = {"code": item.code, "severity": item.severity, "message": item.message}
    data |= {"place": _place(item.span), "label": item.label, "help": list(item.help)}
    data["second"] = {"place": _place(item.second.span), "label": item.second.label} if item.second else None
    data["fixes"] = [_fix(fix) for fix in item.fixes]
    return data


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{"place": _place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "certain": fix.certain, "edits": edits}


def _place(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    end_line, end_column = span.source.position(span.end)
    place = {"path": span.source.path, "line": span.line, "column": span.column}
    place |= {"end_line": end_line, "end_column": end_column, "start": span.start, "end": span.end}
    imports = [{"path": at.source.path, "line": at.line, "column": at.column} for at in span.source.inclusions]
    return {**place, "included_from": imports}


def _concise(item: Diagnostic) -> str:
    place = f"{item.span.source.path}:{item.span.line}:{item.span.column}: " if item.span else ""
    return printable(f"{place}{item.severity}[{item.code}] {item.message}")


def _github(item: Diagnostic) -> str:
    def escape(text: str, more: str = "") -> str:
        for character in "%\r\n" + more:
            text = text.replace(character, f"%{ord(character):02X}")
        return text

    properties = ""
    if item.span:
        place = _place(item.span)
        assert place is not None
        properties = f"file={escape(printable(place['path']), ':,')},line={place['line']},col={place['column']},"
        properties += f"endLine={place['end_line']},endColumn={place['end_column']},"
    body = "\n".join(map(printable, [item.message, *(f"help: {line}" for line in item.help)]))
    return f"::{item.severity} {properties}title={item.code}::{escape(body)}"


def _full(item: Diagnostic, colour: bool) -> str:
    tone = "red" if item.severity == "error" else "yellow"
    paint = _painter(colour)
    lines = [paint(f"{item.severity}[{item.code}]", f"bold {tone}") + paint(f": {printable(item.message)}", "bold")]
    places = [(item.span, printable(item.label), "^", tone)] if item.span else []
    if item.second:
        places.append((item.second.span, printable(item.second.label), "-", "blue"))
    margin = " " * max((len(str(span.line)) for span, *_ in places), default=1)
    for span, label, mark, mark_colour in places:
        source, (line, column) = span.source, span.source.position(span.start)
        arrow = "-->" if mark == "^" else ":::"
        lines.append(paint(f"{margin}{arrow}", "blue") + f" {printable(source.path)}:{line}:{column}")
        lines.extend(
            paint(f"{margin}:::", "blue") + f" included from {printable(at.source.path)}:{at.line}:{at.column}"
            for at in source.inclusions
        )
        excerpt, before, width = _excerpt(source.line(line), column - 1, span.end - span.start)
        bar = paint("|", "blue")
        lines.append(f"{margin} {bar}")
        lines.append(paint(f"{line:>{len(margin)}}", "blue") + f" {bar} {excerpt}")
        lines.append(f"{margin} {bar} " + " " * before + paint(f"{mark * width} {label}".rstrip(), mark_colour))
    if item.help and places:
        lines.append(f"{margin} {paint('|', 'blue')}")
    lines.extend(f"{margin} {paint('=', 'blue')} help: {printable(line)}" for line in item.help)
    return "\n".join(lines) + "\n"


def _excerpt(line: str, start: int, length: int) -> tuple[str, int, int]:
    """The shown part of a line, the columns before the mark, and the columns of the mark (at least 1)."""
    length = max(min(length, len(line) - start), 0)
    cells = [shown_character(character) for character in line[max(start - WIDEST, 0) : start + length + WIDEST]]
    widths = [_columns(cell) for cell in cells]
    first = min(start, WIDEST)
    before, cut_left = sum(widths[:first]), 0
    if sum(widths) > WIDEST:
        while before > WIDEST // 2:
            before -= widths[cut_left]
            cut_left += 1
    head = "..." if start > first or cut_left else ""
    end, shown = cut_left, len(head)
    while end < len(cells) and shown + widths[end] <= WIDEST:
        shown += widths[end]
        end += 1
    tail = "..." if end < len(cells) or start + length + WIDEST < len(line) else ""
    before += len(head)
    text = f"{head}{''.join(cells[cut_left:end])}{tail}".rstrip()
    return text, before, max(min(sum(widths[first : first + length]), WIDEST - before), 1)


def _columns(cell: str) -> int:
    return len(cell) if cell.isascii() else max(wcwidth(cell), 0)


def _painter(colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, style: str) -> str:
        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD) if colour else text

    return paint
