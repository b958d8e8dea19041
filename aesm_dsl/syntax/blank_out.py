"""Takes what could not be read out of a text, with blanks, so that the rest can be read: offsets never move."""

from __future__ import annotations

import re

from aesm_dsl.findings.source import Span
from aesm_dsl.syntax.text_under_repair import content_end, line_start

_MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
_HEAD = re.compile(r'\s*[^\W\d][\w.]*(\s+[^\W\d][\w.]*)?(\s+"[^"\n]*")?\s*')
_STATEMENT = re.compile(r'(\s|#[^\n]*)*([^\W\d][\w.]*+\s*([={"\w]|$)|\})', re.MULTILINE)


def repair(text: str, wrong: Span, since: int, damaged: list[Span]) -> tuple[str, int]:
    """The text without its unreadable statement, and where it first differs; what was lost is added to `damaged`.

    since  where the statement, or one before it, starts

    A block whose head is wrong keeps its braces and as much of its head as can be read, so that what stands inside
    is still looked at.
    """
    source = wrong.source
    line = text.rfind("\n", 0, wrong.start) + 1
    if text[wrong.start : wrong.start + 1] == "{" and not text[line : wrong.start].strip():
        above = content_end(text, line)
        if _HEAD.fullmatch(text, max(text.rfind(mark, 0, above) for mark in "{};\n") + 1, above):
            # A brace on a line of its own belongs to the block's head above: join them.
            return text[:above] + " " * (wrong.start - above) + text[wrong.start :], line_start(text, above)
    start, end, brace = _statement(text, wrong.start, since)
    damaged.append(source.span(start, min(max(end, wrong.end), len(source.text))))
    if not brace:
        return _blank(text, start, max(end, wrong.end)), start
    head = _HEAD.fullmatch(text, start, max(wrong.start, start))
    if head and wrong.start < end:
        return _blank(text, wrong.start, end), start
    partner = _partner(text, end)
    if not _STATEMENT.match(text, end + 1):
        # What stands in the braces is not ours: it goes with them.
        damaged[-1] = source.span(start, min(partner + 1, len(source.text)))
        return _blank(text, start, partner + 1), start
    if "=" in text[start:end] and (key := _HEAD.match(text, start, end)):
        return _blank(text, key.end(), end), start
    if text[start:end].strip() == "_":
        # Not even a name may stand here: the block goes as a whole.
        return _blank(text, start, partner + 1), start
    if start < end:
        return _blank(text, start, end - 1)[: end - 1] + "_" + text[end:], start
    return _blank(_blank(text, end, end + 1), partner, partner + 1), start


def _statement(text: str, place: int, since: int) -> tuple[int, int, bool]:
    """Start and end of the statement around `place`, and whether a block's `{` follows. The end is before the mark."""
    start, depth = since, 0
    for match in _MARK.finditer(text, since):
        mark = match.group()
        if mark in "[(":
            depth += 1
        elif mark in "])":
            depth -= 1
        elif mark in "{};\n" and depth == 0:
            if match.start() >= place:
                return start, match.start(), mark == "{"
            start = match.end()
    return start, len(text), False


def _partner(text: str, brace: int) -> int:
    """Where the block that opens at `brace` closes."""
    depth = 0
    for match in _MARK.finditer(text, brace):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.start()
    return len(text)


def _blank(text: str, start: int, end: int) -> str:
    end = min(end, len(text))
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
