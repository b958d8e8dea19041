"""Pairs brackets by kind and indentation, and finds those that have no partner."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aesm_dsl.syntax.lines import Lines

MOST_NESTED = 64
"""Deeper nesting of brackets is refused: no spec needs it."""

MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
"""Matches a string, a comment, a bracket, or the end of a statement."""

_COMMA = re.compile(r"[ \t]*,")
_NEXT = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)+([^\S\n]*)(?=[^\s#])")
"""Matches up to the next line that is neither empty nor a comment; its group is that line's indentation."""

CLOSER = {"{": "}", "[": "]", "(": ")"}
"""Maps each opening bracket to its closing bracket."""

Bracket = tuple[int, str]
"""Offset and character of a bracket."""


@dataclass(frozen=True, slots=True)
class BracketFault:
    """A bracket without a partner."""

    kind: str
    """"unclosed", "mismatched", "stray" (a closing bracket without an opening one) or "deep"."""
    opener: Bracket
    closer: Bracket
    """The closing bracket; for an unclosed opener, the place before which it must have been closed."""


def all_paired(lines: Lines, brackets: list[Bracket]) -> bool:
    """Whether every bracket has its partner, whatever the indentation."""
    stack, inside = list[Bracket](), _StatementsInside(lines)
    for start, bracket in brackets:
        if stack and inside.first(stack[-1], start) is not None:
            return False
        if bracket in CLOSER:
            stack.append((start, bracket))
        elif not stack or CLOSER[stack.pop()[1]] != bracket:
            return False
        if len(stack) > MOST_NESTED:
            return False
    return not stack


def is_balanced(text: str) -> bool:
    """Whether the brackets of a text, outside strings and comments, pair up by kind alone."""
    stack: list[str] = []
    for mark in MARK.findall(text):
        if mark in CLOSER:
            stack.append(mark)
        elif mark in "}])" and (not stack or CLOSER[stack.pop()] != mark):
            return False
    return not stack


@dataclass(slots=True)
class _StatementsInside:
    """Finds statements in open lists and calls: settings that are not indented deeper than the opener.

    A list or call does not contain statements, so it must have been closed before.
    """

    lines: Lines
    _next: dict[int, int] = field(default_factory=dict)
    """Offset of an opener -> the index of the next setting to look at; those before it are indented deeper."""

    def first(self, opener: Bracket, end: int) -> int | None:
        """Returns the offset of the first such statement before `end`, which grows from call to call."""
        start, kind = opener
        if kind == "{":
            return None
        settings, indent = self.lines.settings, self.lines.indent(start)
        index = self._next.get(start)
        if index is None:
            index = self.lines.first_setting(start)
        while index < len(settings) and settings[index].end <= end and settings[index].indent > indent:
            index += 1
        self._next[start] = index
        return settings[index].name if index < len(settings) and settings[index].end <= end else None


def find_faults(lines: Lines, brackets: list[Bracket], most: int) -> tuple[list[BracketFault], list[tuple[int, int]]]:
    """Finds the brackets without a partner.

    Args:
        lines: the text.
        brackets: its brackets.
        most: stop after more faults than this.

    Returns:
        The faults in the order in which they show, and the offsets of opener and closer of every pair of braces.
    """
    text, inside = lines.text, _StatementsInside(lines)
    stack: list[Bracket] = []
    faults: list[BracketFault] = []
    pairs: list[tuple[int, int]] = []
    open_kinds = dict.fromkeys("{[(", 0)
    for index, closer in enumerate(brackets):
        if len(faults) > most:
            return faults, pairs
        start, bracket = closer
        while stack and (statement := inside.first(stack[-1], start)) is not None:
            open_kinds[stack[-1][1]] -= 1
            faults.append(BracketFault("unclosed", stack.pop(), (statement, "")))
        if bracket in CLOSER:
            stack.append(closer)
            open_kinds[bracket] += 1
            if len(stack) > MOST_NESTED:
                return [*faults, BracketFault("deep", closer, closer)], pairs
            continue
        kind = {"}": "{", "]": "[", ")": "("}[bracket]
        if not open_kinds[kind]:
            if stack and stack[-1][1] != "{" and bracket != "}" and not _closed_later(lines, brackets, index, stack):
                open_kinds[stack[-1][1]] -= 1
                faults.append(BracketFault("mismatched", stack.pop(), closer))
            else:
                faults.append(BracketFault("stray", closer, closer))
            continue
        if stack[-1][1] not in ("{", kind) and bracket != "}" and _closed_later(lines, brackets, index, stack[:-1]):
            # The openers around it are closed later, so this bracket is of the wrong kind and none is missing.
            open_kinds[stack[-1][1]] -= 1
            faults.append(BracketFault("mismatched", stack.pop(), closer))
            continue
        while not _closes(lines, stack, start, bracket):
            open_kinds[stack[-1][1]] -= 1
            faults.append(BracketFault("unclosed", stack.pop(), closer))
        open_kinds[kind] -= 1
        opener = stack.pop()
        if bracket == "}":
            pairs.append((opener[0], start))
    end = (len(text), "")
    faults.extend(BracketFault("unclosed", opener, end) for opener in reversed(stack))
    return faults, pairs


def _closed_later(lines: Lines, brackets: list[Bracket], index: int, stack: list[Bracket]) -> bool:
    """Whether the lists and calls that are open on the line of a bracket are all closed after it, on the same line."""
    depth, end = 0, lines.end(brackets[index][0])
    line = lines.start(brackets[index][0])
    left = [opener for opener in stack if opener[0] >= line and opener[1] != "{"]
    if not left:
        return False
    for later in range(index + 1, len(brackets)):
        start, bracket = brackets[later]
        if start > end or not left:
            break
        if bracket in CLOSER:
            depth += 1
        elif depth:
            depth -= 1
        elif bracket == CLOSER[left[-1][1]]:
            left.pop()
        else:
            return False
    return not left


def first_early_closer(lines: Lines, brackets: list[Bracket], strays: list[Bracket]) -> Bracket | None:
    """Returns the first bracket that closes too early and leaves one of the strays, on the same line; None without any.

    A list or call goes on with a comma after it.
    """
    last_stray = {lines.start(stray[0]): stray[0] for stray in strays}
    depths, early = dict.fromkeys(last_stray, 0), dict[int, Bracket]()
    for start, bracket in brackets:
        line = lines.start(start)
        if bracket not in "[]()" or line in early or start >= last_stray.get(line, 0):
            continue
        depths[line] += 1 if bracket in CLOSER else -1
        if depths[line] == 0 and bracket not in CLOSER and _COMMA.match(lines.text, start + 1):
            early[line] = start, bracket
    blamed = (early[line] for stray in strays if (line := lines.start(stray[0])) in early and early[line][0] < stray[0])
    return next(blamed, None)


def _closes(lines: Lines, stack: list[Bracket], start: int, bracket: str) -> bool:
    """Whether a closing bracket belongs to the innermost opener: by kind and, for braces, by indentation."""
    opener, kind = stack[-1]
    if CLOSER[kind] != bracket:
        return False
    if bracket != "}" or not lines.starts_line(start):
        return True
    closer_indent = lines.indent(start)
    if closer_indent >= lines.indent(opener):
        return True
    return not any(kind == "{" and lines.indent(other) == closer_indent for other, kind in stack[:-1])


def cannot_end_block(lines: Lines, opener: int, closer: int) -> bool:
    """Whether a brace on another line than its opener stands where a block cannot end.

    It cannot end after other text on the line, at another indentation, or above a line that is indented deeper.
    """
    if opener >= lines.start(closer):
        return False
    closer_indent = lines.indent(closer)
    if not lines.starts_line(closer) or closer_indent != lines.indent(opener):
        return True
    below = _NEXT.match(lines.text, lines.end(closer))
    return below is not None and len(below.group(1)) > closer_indent
