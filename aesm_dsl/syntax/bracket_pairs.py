"""Which bracket belongs to which, by kind and indentation, and which have no partner."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aesm_dsl.syntax.text_under_repair import indent, line_end, line_start

MOST_NESTED = 64
"""Brackets within brackets beyond this are refused: no spec needs them."""

MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
"""A string, a comment, a bracket, or what ends a statement."""

_SETTING = re.compile(r"^([^\S\n]*)(\w+)[^\S\n]*=", re.MULTILINE)
_NEXT = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)+([^\S\n]*)(?=[^\s#])")
"""Up to the next line that says something; its indentation."""

CLOSER = {"{": "}", "[": "]", "(": ")"}
"""Opening bracket -> the one that closes it."""

Bracket = tuple[int, str]
"""Its offset and its character."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`unclosed`, `mismatched`, `stray` or `deep`; `end` is where what was left open ends at the latest."""

    what: str
    opener: Bracket
    closer: Bracket


def sound(text: str, brackets: list[Bracket]) -> bool:
    """Whether every bracket has its partner, however badly the text is indented."""
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


def balanced(text: str) -> bool:
    """Whether the brackets outside strings and comments pair up."""
    stack: list[str] = []
    for mark in MARK.findall(text):
        if mark in CLOSER:
            stack.append(mark)
        elif mark in "}])" and (not stack or CLOSER[stack.pop()] != mark):
            return False
    return not stack


def _statement_inside(text: str, opener: Bracket, end: int) -> int | None:
    """Where, after an open list or call and before `end`, a statement starts at its line's indentation or less."""
    start, kind = opener
    if kind == "{" or "\n" not in text[start:end]:
        return None
    own = indent(text, start)
    return next((one.start(2) for one in _SETTING.finditer(text, start, end) if len(one.group(1)) <= own), None)


def pair(text: str, brackets: list[Bracket]) -> tuple[list[Fault], list[tuple[int, int]]]:
    """The faults, in the order they show, and opener and closer of every sound pair of braces."""
    stack: list[Bracket] = []
    faults: list[Fault] = []
    pairs: list[tuple[int, int]] = []
    open_kinds = dict.fromkeys("{[(", 0)
    for place, closer in enumerate(brackets):
        start, bracket = closer
        while stack and (statement := _statement_inside(text, stack[-1], start)) is not None:
            open_kinds[stack[-1][1]] -= 1
            faults.append(Fault("unclosed", stack.pop(), (statement, "")))
        if bracket in CLOSER:
            stack.append(closer)
            open_kinds[bracket] += 1
            if len(stack) > MOST_NESTED:
                return [*faults, Fault("deep", closer, closer)], pairs
            continue
        kind = {"}": "{", "]": "[", ")": "("}[bracket]
        if not open_kinds[kind]:
            if stack and stack[-1][1] != "{" and bracket != "}" and not _closed_later(text, brackets, place, stack):
                open_kinds[stack[-1][1]] -= 1
                faults.append(Fault("mismatched", stack.pop(), closer))
            else:
                faults.append(Fault("stray", closer, closer))
            continue
        if stack[-1][1] not in ("{", kind) and bracket != "}" and _closed_later(text, brackets, place, stack[:-1]):
            # What is around it closes behind: the bracket is of the wrong kind, and none is missing.
            open_kinds[stack[-1][1]] -= 1
            faults.append(Fault("mismatched", stack.pop(), closer))
            continue
        while not _closes(text, stack, start, bracket):
            open_kinds[stack[-1][1]] -= 1
            faults.append(Fault("unclosed", stack.pop(), closer))
        open_kinds[kind] -= 1
        opener = stack.pop()
        if bracket == "}":
            pairs.append((opener[0], start))
    end = (len(text), "")
    faults.extend(Fault("unclosed", opener, end) for opener in reversed(stack))
    return faults, pairs


def _closed_later(text: str, brackets: list[Bracket], place: int, stack: list[Bracket]) -> bool:
    """Whether what is open on the line is closed behind the bracket at `place`: then that is one too many."""
    depth, end = 0, line_end(text, brackets[place][0])
    line = line_start(text, brackets[place][0])
    left = [opener for opener in stack if opener[0] >= line and opener[1] != "{"]
    if not left:
        return False
    for start, bracket in brackets[place + 1 :]:
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


def closed_early(text: str, brackets: list[Bracket], stray: Bracket) -> Bracket:
    """Of a bracket that closes nothing, the one that is to blame: an earlier one on its line, behind which a statement
    goes on with a comma."""
    depth = 0
    for start, bracket in brackets:
        if line_start(text, stray[0]) <= start < stray[0] and bracket in "[]()":
            depth += 1 if bracket in CLOSER else -1
            if depth == 0 and bracket not in CLOSER and text[start + 1 :].lstrip(" \t").startswith(","):
                return start, bracket
    return stray


def _closes(text: str, stack: list[Bracket], start: int, bracket: str) -> bool:
    """Whether the closing bracket belongs to the innermost opener: by kind and, for braces, by indentation."""
    opener, kind = stack[-1]
    if CLOSER[kind] != bracket:
        return False
    if bracket != "}" or text[line_start(text, start) : start].strip():
        return True
    own = indent(text, start)
    if own >= indent(text, opener):
        return True
    return not any(kind == "{" and indent(text, other) == own for other, kind in stack[:-1])


def odd(text: str, opener: int, closer: int) -> bool:
    """Whether a brace on another line than its partner stands where it cannot end a block.

    That is behind something, at another indentation, or above a line that is indented more.
    """
    line = line_start(text, closer)
    if opener >= line:
        return False
    own = indent(text, closer)
    if text[line:closer].strip() or own != indent(text, opener):
        return True
    below = _NEXT.match(text, line_end(text, closer))
    return below is not None and len(below.group(1)) > own
