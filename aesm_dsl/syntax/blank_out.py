"""Overwrites a statement that cannot be parsed with blanks, so that the rest can be parsed; all offsets stay valid."""

from __future__ import annotations

import re

from aesm_dsl.findings.source import Span
from aesm_dsl.syntax.text_under_repair import content_end, line_start

_MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
_HEAD = re.compile(r'\s*[^\W\d][\w.]*(\s+[^\W\d][\w.]*)?(\s+"[^"\n]*")?\s*')
_STATEMENT = re.compile(r'(\s|#[^\n]*)*([^\W\d][\w.]*+\s*([={"\w]|$)|\})', re.MULTILINE)


def blank_statement(text: str, wrong: Span, since: int, damaged: list[Span]) -> tuple[str, int]:
    """Blanks the statement that contains a syntax error.

    A block with an error in its head keeps its braces and as much of its head as can be parsed, so that the statements
    inside are still checked.

    Args:
        text: the text as it is parsed; it may have been repaired already.
        wrong: the place of the error.
        since: offset at which the statement, or one before it, starts.
        damaged: receives the place of the text that is lost.
    Returns:
        The new text, and the first offset at which it differs.
    """
    source = wrong.source
    line = text.rfind("\n", 0, wrong.start) + 1
    if text[wrong.start : wrong.start + 1] == "{" and not text[line : wrong.start].strip():
        above = content_end(text, line)
        if _HEAD.fullmatch(text, max(text.rfind(mark, 0, above) for mark in "{};\n") + 1, above):
            # A brace on a line of its own belongs to the block's head above: blanking the line end joins them.
            return text[:above] + " " * (wrong.start - above) + text[wrong.start :], line_start(text, above)
    start, end, brace = _statement(text, wrong.start, since)
    damaged.append(source.span(start, min(max(end, wrong.end), len(source.text))))
    if not brace:
        return _blank(text, start, max(end, wrong.end)), start
    head = _HEAD.fullmatch(text, start, max(wrong.start, start))
    if head and wrong.start < end:
        return _blank(text, wrong.start, end), start
    closing = _closing_brace(text, end)
    if not _STATEMENT.match(text, end + 1):
        # The braces hold no statements, so they are no block of the language: their content goes with them.
        damaged[-1] = source.span(start, min(closing + 1, len(source.text)))
        return _blank(text, start, closing + 1), start
    if "=" in text[start:end] and (key := _HEAD.match(text, start, end)):
        return _blank(text, key.end(), end), start
    if text[start:end].strip() == "_":
        # The placeholder below was put here before and is an error too: the whole block goes.
        return _blank(text, start, closing + 1), start
    if start < end:
        # The head cannot be read: a placeholder for its kind keeps the block.
        return _blank(text, start, end - 1)[: end - 1] + "_" + text[end:], start
    return _blank(_blank(text, end, end + 1), closing, closing + 1), start


def _statement(text: str, offset: int, since: int) -> tuple[int, int, bool]:
    """Start and end of the statement around an offset, and whether its end is a block's `{`; the end is excluded."""
    start, depth = since, 0
    for match in _MARK.finditer(text, since):
        mark = match.group()
        if mark in "[(":
            depth += 1
        elif mark in "])":
            depth -= 1
        elif mark in "{};\n" and depth == 0:
            if match.start() >= offset:
                return start, match.start(), mark == "{"
            start = match.end()
    return start, len(text), False


def _closing_brace(text: str, brace: int) -> int:
    """The offset of the brace that closes the block which opens at `brace`."""
    depth = 0
    for match in _MARK.finditer(text, brace):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.start()
    return len(text)


def _blank(text: str, start: int, end: int) -> str:
    end = min(end, len(text))
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
