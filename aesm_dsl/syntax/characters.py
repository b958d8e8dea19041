"""What is wrong before the grammar looks: conflict markers, full-width punctuation, strings and brackets left open.

Every fault is told and repaired in place, so that offsets never move and the grammar sees no echo of it.
Safe oddities (a byte order mark, CRLF, tabs) are blanks to the grammar and need no finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aesm_dsl.diagnostic import Findings, Related
from aesm_dsl.source import Source, Span

FULL_WIDTH = {
    "：": ":", "＝": "=", "｛": "{", "｝": "}", "［": "[", "］": "]", "（": "(", "）": ")", "，": ",", "；": ";",
    "＃": "#", "“": '"', "”": '"', "＂": '"', "、": ",", "【": "[", "】": "]", "％": "%",
}  # fmt: skip
"""Look-alike punctuation, and the key that was meant."""

MOST_NESTED = 64
"""Brackets within brackets beyond this are refused: no spec needs them."""

_CLOSER = {"{": "}", "[": "]", "(": ")"}
_CONFLICT = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?=[ \r\n]|\Z)[^\n]*", re.MULTILINE)
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\[^\n])*")|(?P<comment>#[^\n]*)|(?P<open>")|(?P<bracket>[{}\[\]()])|(?P<wide>['
    + "".join(FULL_WIDTH)
    + "])"
)
COMMENT = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|(?P<comment>#[^\n]*)')
"""Strings or comments, whichever starts first: a `#` inside a string is no comment."""


@dataclass(slots=True)
class _Draft:
    """The text under repair, one character per cell."""

    source: Source
    cells: list[str]
    damaged: list[Span]

    def blank(self, start: int, end: int) -> None:
        for i in range(start, end):
            if self.cells[i] != "\n":
                self.cells[i] = " "

    def lose(self, start: int, end: int) -> None:
        """Blanks a place and remembers that its text could not be read."""
        self.blank(start, end)
        self.damaged.append(self.source.span(start, end))


def clean(source: Source, findings: Findings) -> tuple[str, list[Span]]:
    """A text of the same length that the grammar can read, and the places that were lost on the way."""
    draft = _Draft(source, list(source.text), [])
    if source.text.startswith("\ufeff"):
        draft.cells[0] = " "
    for i, character in enumerate(source.text):
        if character == "\r" and source.text[i + 1 : i + 2] != "\n":
            draft.cells[i] = "\n"
    _conflicts(draft, findings)
    brackets = _punctuation(draft, findings)
    _brackets(draft, findings, brackets)
    return "".join(draft.cells), draft.damaged


def _conflicts(draft: _Draft, findings: Findings) -> None:
    """A merge conflict keeps its first side; the markers and the other sides are blanked."""
    opener: re.Match[str] | None = None
    for match in _CONFLICT.finditer(draft.source.text):
        mark = match.group(1)[0]
        if mark == "<":
            opener = match
        if opener is None:
            if mark != "=":
                _conflict(draft, findings, match, None)
        elif mark == ">":
            _conflict(draft, findings, opener, match)
            opener = None
    if opener is not None:
        _conflict(draft, findings, opener, None)


def _conflict(draft: _Draft, findings: Findings, first: re.Match[str], last: re.Match[str] | None) -> None:
    source = draft.source
    findings.add(
        "E105",
        "unresolved merge conflict",
        source.span(first.start(), first.end()),
        label="the conflict starts here" if last else "left by a merge",
        help="keep one of the two sides and delete the marker lines",
        second=Related(source.span(last.start(), last.end()), "and ends here") if last else None,
    )
    draft.blank(first.start(), first.end())
    if last is not None:
        middle = next(m for m in _CONFLICT.finditer(source.text, first.end()) if m.group(1)[0] in "|=>")
        draft.lose(middle.start(), last.end())


def _punctuation(draft: _Draft, findings: Findings) -> list[tuple[int, str]]:
    """Repairs full-width punctuation and open strings; the brackets that are left, in the order they stand."""
    brackets: list[tuple[int, str]] = []
    text, at = "".join(draft.cells), 0
    while match := _TOKEN.search(text, at):
        at = match.end()
        if match.lastgroup == "bracket":
            brackets.append((match.start(), match.group()))
        elif match.lastgroup == "open":
            at = _open_string(draft, findings, text, match.start(), brackets)
        elif match.lastgroup == "wide":
            at = _full_width(draft, findings, text, match.start(), brackets)
            text = "".join(draft.cells)
    return brackets


def _open_string(draft: _Draft, findings: Findings, text: str, start: int, brackets: list[tuple[int, str]]) -> int:
    """Tells a string that its line does not close, and blanks the statement it stands in; where the scan goes on."""
    source, end = draft.source, _line_end(text, start)
    findings.add(
        "E101",
        "this string is not closed",
        source.span(start, start + len(text[start:end].rstrip())),
        label='no closing `"` on this line',
        help='a string stands on one line; inside it a quote is written `\\"`',
    )
    if text[start:end].rstrip().endswith("{"):
        # A block's label swallowed its brace: the block still opens.
        brace = text.rindex("{", start, end)
        brackets.append((brace, "{"))
        draft.blank(start, brace)
        return end
    line = text.rfind("\n", 0, start) + 1
    last = max([line, text.rfind(";", line, start) + 1, *(at + 1 for at, _ in brackets[-1:] if at >= line)])
    draft.lose(last, end)
    return end


def _full_width(draft: _Draft, findings: Findings, text: str, start: int, brackets: list[tuple[int, str]]) -> int:
    """Tells one look-alike and puts the meant key in its place; where the scan goes on."""
    found, meant, end = text[start], FULL_WIDTH[text[start]], start + 1
    if meant == '"':
        close = next((i for i in range(end, _line_end(text, start)) if FULL_WIDTH.get(text[i], text[i]) == '"'), None)
        if close is not None:
            draft.cells[close] = '"'
            end = close + 1
            found = f"{found}...{text[close]}"
    findings.add(
        "E102",
        f"full-width `{found}` where the key `{meant}` is meant",
        draft.source.span(start, end),
        label=f"write `{meant}`",
        help="full-width punctuation is welcome inside strings and comments only",
    )
    draft.cells[start] = meant
    if meant in "{}[]()":
        brackets.append((start, meant))
    return _line_end(text, start) if meant == "#" else end


def _brackets(draft: _Draft, findings: Findings, brackets: list[tuple[int, str]]) -> None:
    """Pairs the brackets; what has no partner is told at its own place and repaired."""
    stack: list[tuple[int, str]] = []
    for start, bracket in brackets:
        if bracket in _CLOSER:
            stack.append((start, bracket))
            if len(stack) > MOST_NESTED:
                _too_deep(draft, findings, start)
                return
        elif all(_CLOSER[kind] != bracket for _, kind in stack):
            if stack and stack[-1][1] != "{" and bracket != "}":
                _mismatched(draft, findings, stack.pop(), start, bracket)
            else:
                _stray(draft, findings, start, bracket)
        else:
            while not _closes(draft.source, stack, start, bracket):
                _unclosed(draft, findings, stack.pop(), start)
            stack.pop()
    for opener in reversed(stack):
        _unclosed(draft, findings, opener, len(draft.source.text))


def _closes(source: Source, stack: list[tuple[int, str]], start: int, bracket: str) -> bool:
    """Whether the closing bracket belongs to the innermost opener: by kind and, for braces, by indentation."""
    opener, kind = stack[-1]
    if _CLOSER[kind] != bracket:
        return False
    if bracket != "}" or source.text[_line_start(source.text, start) : start].strip():
        return True
    indent = _indent(source.text, start)
    outer = any(kind == "{" and _indent(source.text, other) == indent for other, kind in stack[:-1])
    return not (outer and indent < _indent(source.text, opener))


def _unclosed(draft: _Draft, findings: Findings, opener: tuple[int, str], closer: int) -> None:
    start, bracket = opener
    findings.add(
        "E103",
        f"this `{bracket}` is not closed",
        draft.source.span(start, start + 1),
        label=f"no `{_CLOSER[bracket]}` belongs to it",
        help=f"write the missing `{_CLOSER[bracket]}`",
    )
    if bracket == "{":
        _close_block(draft, start, closer)
    else:
        _lose_statement(draft, start, closer)


def _close_block(draft: _Draft, start: int, closer: int) -> None:
    """Puts a `}` where the indentation says that the block ends, at the latest right before `closer`."""
    text = draft.source.text
    at = _line_end(text, start)
    while at < closer:
        line = at + 1
        at = _line_end(text, line)
        content = text[line:at].strip()
        if content and not content.startswith("#") and _indent(text, line) <= _indent(text, start):
            closer = min(closer, line + _indent(text, line))
            break
    if closer == len(text):
        draft.cells.append("}")
        return
    cell = closer - 1
    if draft.cells[cell] == "\n":
        # A comment would swallow the brace: it gives its place, since comments are read from the source itself.
        line = _line_start(text, cell)
        for match in COMMENT.finditer(text, line, cell):
            if match.group("comment"):
                cell = match.start()
                draft.blank(cell, closer - 1)
    draft.cells[cell] = "}"


def _lose_statement(draft: _Draft, start: int, closer: int) -> None:
    """Blanks the statement around a list or call left open; the lines after it too while it plainly goes on."""
    text = draft.source.text
    first = max(text.rfind(mark, 0, start) for mark in "{;\n") + 1
    match = re.compile(r"[;}\n]").search(text, start, closer)
    end = match.start() if match else closer
    while end < closer and text[end] == "\n" and text[first:end].rstrip().endswith(("[", "(", ",")):
        end = min(_line_end(text, end + 1), closer)
    draft.lose(first, end)


def _mismatched(draft: _Draft, findings: Findings, opener: tuple[int, str], start: int, bracket: str) -> None:
    place, kind = opener
    findings.add(
        "E104",
        f"`{bracket}` where `{_CLOSER[kind]}` would close the `{kind}`",
        draft.source.span(start, start + 1),
        label=f"write `{_CLOSER[kind]}`",
        second=Related(draft.source.span(place, place + 1), "opened here"),
    )
    draft.cells[start] = _CLOSER[kind]


def _stray(draft: _Draft, findings: Findings, start: int, bracket: str) -> None:
    opener = next(key for key, value in _CLOSER.items() if value == bracket)
    findings.add(
        "E104",
        f"this `{bracket}` closes nothing",
        draft.source.span(start, start + 1),
        label=f"no open `{opener}` before it",
        help="delete it, or write the opening bracket it belongs to",
    )
    draft.cells[start] = " "


def _too_deep(draft: _Draft, findings: Findings, start: int) -> None:
    findings.add(
        "E109",
        f"more than {MOST_NESTED} brackets inside each other",
        draft.source.span(start, start + 1),
        label="too deep",
    )
    draft.lose(0, len(draft.cells))


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def _indent(text: str, offset: int) -> int:
    """Blanks at the start of the line that holds `offset`."""
    line = text[_line_start(text, offset) : _line_end(text, offset)]
    return len(line) - len(line.lstrip())
