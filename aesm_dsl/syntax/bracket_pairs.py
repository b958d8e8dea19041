"""Pairs brackets by kind and indentation, and finds those that have no partner."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aesm_dsl.syntax.text_under_repair import indent, line_end, line_start

MOST_NESTED = 64
"""Deeper nesting of brackets is refused: no spec needs it."""

MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
"""Matches a string, a comment, a bracket, or the end of a statement."""

_SETTING = re.compile(r"^([^\S\n]*)(\w+)[^\S\n]*=", re.MULTILINE)
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


def all_paired(text: str, brackets: list[Bracket]) -> bool:
    """Whether every bracket has its partner, whatever the indentation."""
    stack: list[Bracket] = []
    for start, bracket in brackets:
        if stack and _statement_inside(text, stack[-1], start) is not None:
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


def _statement_inside(text: str, opener: Bracket, end: int) -> int | None:
    """Finds a statement in an open list or call: the offset of a setting that is not indented deeper than the opener.

    A list or call does not contain statements, so it must have been closed before.
    """
    start, kind = opener
    if kind == "{" or "\n" not in text[start:end]:
        return None
    opener_indent = indent(text, start)
    settings = _SETTING.finditer(text, start, end)
    return next((setting.start(2) for setting in settings if len(setting.group(1)) <= opener_indent), None)


def find_faults(text: str, brackets: list[Bracket]) -> tuple[list[BracketFault], list[tuple[int, int]]]:
    """Finds the brackets without a partner.

    Returns:
        The faults in the order in which they show, and the offsets of opener and closer of every pair of braces.
    """
    stack: list[Bracket] = []
    faults: list[BracketFault] = []
    pairs: list[tuple[int, int]] = []
    open_kinds = dict.fromkeys("{[(", 0)
    for index, closer in enumerate(brackets):
        start, bracket = closer
        while stack and (statement := _statement_inside(text, stack[-1], start)) is not None:
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
            if stack and stack[-1][1] != "{" and bracket != "}" and not _closed_later(text, brackets, index, stack):
                open_kinds[stack[-1][1]] -= 1
                faults.append(BracketFault("mismatched", stack.pop(), closer))
            else:
                faults.append(BracketFault("stray", closer, closer))
            continue
        if stack[-1][1] not in ("{", kind) and bracket != "}" and _closed_later(text, brackets, index, stack[:-1]):
            # The openers around it are closed later, so this bracket is of the wrong kind and none is missing.
            open_kinds[stack[-1][1]] -= 1
            faults.append(BracketFault("mismatched", stack.pop(), closer))
            continue
        while not _closes(text, stack, start, bracket):
            open_kinds[stack[-1][1]] -= 1
            faults.append(BracketFault("unclosed", stack.pop(), closer))
        open_kinds[kind] -= 1
        opener = stack.pop()
        if bracket == "}":
            pairs.append((opener[0], start))
    end = (len(text), "")
    faults.extend(BracketFault("unclosed", opener, end) for opener in reversed(stack))
    return faults, pairs


def _closed_later(text: str, brackets: list[Bracket], index: int, stack: list[Bracket]) -> bool:
    """Whether the lists and calls that are open on the line of a bracket are all closed after it, on the same line."""
    depth, end = 0, line_end(text, brackets[index][0])
    line = line_start(text, brackets[index][0])
    left = [opener for opener in stack if opener[0] >= line and opener[1] != "{"]
    if not left:
        return False
    for start, bracket in brackets[index + 1 :]:
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


def blame_earlier_closer(text: str, brackets: list[Bracket], stray: Bracket) -> Bracket:
    """Returns the bracket to blame for one that closes nothing.

    That is an earlier closing bracket on its line after which a list or call goes on with a comma; else the bracket
    itself.
    """
    depth = 0
    for start, bracket in brackets:
        if line_start(text, stray[0]) <= start < stray[0] and bracket in "[]()":
            depth += 1 if bracket in CLOSER else -1
            if depth == 0 and bracket not in CLOSER and text[start + 1 :].lstrip(" \t").startswith(","):
                return start, bracket
    return stray


def _closes(text: str, stack: list[Bracket], start: int, bracket: str) -> bool:
    """Whether a closing bracket belongs to the innermost opener: by kind and, for braces, by indentation."""
    opener, kind = stack[-1]
    if CLOSER[kind] != bracket:
        return False
    if bracket != "}" or text[line_start(text, start) : start].strip():
        return True
    closer_indent = indent(text, start)
    if closer_indent >= indent(text, opener):
        return True
    return not any(kind == "{" and indent(text, other) == closer_indent for other, kind in stack[:-1])


def cannot_end_block(text: str, opener: int, closer: int) -> bool:
    """Whether a brace on another line than its opener stands where a block cannot end.

    It cannot end after other text on the line, at another indentation, or above a line that is indented deeper.
    """
    line = line_start(text, closer)
    if opener >= line:
        return False
    closer_indent = indent(text, closer)
    if text[line:closer].strip() or closer_indent != indent(text, opener):
        return True
    below = _NEXT.match(text, line_end(text, closer))
    return below is not None and len(below.group(1)) > closer_indent
