"""Pairs the brackets of a text; what has no partner is told where it was opened, or where it closes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aesm_dsl.diagnostic import Findings, Related
from aesm_dsl.syntax.draft import Draft, content_end, indent, line_end, line_start

MOST_NESTED = 64
"""Brackets within brackets beyond this are refused: no spec needs them."""

MOST_MISTAKES = 50
"""Mistakes of syntax told in one go; a file with more is not a spec."""

_MARK = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|#[^\n]*|[{}\[\]();\n]')
_SETTING = re.compile(r"^([^\S\n]*)(\w+)[^\S\n]*=", re.MULTILINE)
_NEXT = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)+([^\S\n]*)(?=[^\s#])")
"""Up to the next line that says something; its indentation."""

_CLOSER = {"{": "}", "[": "]", "(": ")"}

Bracket = tuple[int, str]
"""Its offset and its character."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """`unclosed`, `mismatched`, `stray` or `deep`; `end` is where what was left open ends at the latest."""

    what: str
    opener: Bracket
    closer: Bracket


def pair_brackets(draft: Draft, brackets: list[Bracket], findings: Findings) -> None:
    """Tells and repairs every bracket without a partner."""
    text = "".join(draft.cells)
    if _sound(text, brackets):
        return
    faults, pairs = _pair(text, brackets)
    while len(faults) <= MOST_MISTAKES and (
        stray := next((one for one in faults if one.what == "stray" and one.closer[1] == "}"), None)
    ):
        # The brace too many is rarely the last one: blame the first that stands where no block of its depth ends.
        odd = [closer for opener, closer in pairs if closer < stray.closer[0] and _odd(text, opener, closer)]
        culprit = (odd[0] if odd else stray.closer[0], "}")
        _stray(draft, findings, culprit)
        brackets = [one for one in brackets if one != culprit]
        faults, pairs = _pair(text, brackets)
    # One more than is told: the text is then given up as a whole, so the rest need no repair.
    for fault in faults[: MOST_MISTAKES + 1]:
        if fault.what == "deep":
            _too_deep(draft, findings, fault.opener[0])
        elif fault.what == "stray":
            _stray(draft, findings, fault.closer)
        elif fault.what == "mismatched":
            _mismatched(draft, findings, fault.opener, fault.closer)
        else:
            _unclosed(draft, text, findings, fault.opener, fault.closer[0])
    if not _balanced("".join(draft.cells)):
        # Several faults in one place: no repair is sure, and a wrong one would be told as a mistake.
        draft.cells = draft.cells[: len(text)]
        draft.lose(0, len(text))


def _sound(text: str, brackets: list[Bracket]) -> bool:
    """Whether every bracket has its partner, however badly the text is indented."""
    stack: list[Bracket] = []
    for start, bracket in brackets:
        if stack and _statement_inside(text, stack[-1], start) is not None:
            return False
        if bracket in _CLOSER:
            stack.append((start, bracket))
        elif not stack or _CLOSER[stack.pop()[1]] != bracket:
            return False
        if len(stack) > MOST_NESTED:
            return False
    return not stack


def _balanced(text: str) -> bool:
    """Whether the brackets outside strings and comments pair up."""
    stack: list[str] = []
    for mark in _MARK.findall(text):
        if mark in _CLOSER:
            stack.append(mark)
        elif mark in "}])" and (not stack or _CLOSER[stack.pop()] != mark):
            return False
    return not stack


def _statement_inside(text: str, opener: Bracket, end: int) -> int | None:
    """Where, after an open list or call and before `end`, a statement starts at its line's indentation or less."""
    start, kind = opener
    if kind == "{" or "\n" not in text[start:end]:
        return None
    own = indent(text, start)
    return next((one.start(2) for one in _SETTING.finditer(text, start, end) if len(one.group(1)) <= own), None)


def _pair(text: str, brackets: list[Bracket]) -> tuple[list[_Fault], list[tuple[int, int]]]:
    """The faults, in the order they show, and opener and closer of every sound pair of braces."""
    stack: list[Bracket] = []
    faults: list[_Fault] = []
    pairs: list[tuple[int, int]] = []
    open_kinds = dict.fromkeys("{[(", 0)
    for closer in brackets:
        start, bracket = closer
        while stack and (statement := _statement_inside(text, stack[-1], start)) is not None:
            open_kinds[stack[-1][1]] -= 1
            faults.append(_Fault("unclosed", stack.pop(), (statement, "")))
        if bracket in _CLOSER:
            stack.append(closer)
            open_kinds[bracket] += 1
            if len(stack) > MOST_NESTED:
                return [*faults, _Fault("deep", closer, closer)], pairs
            continue
        kind = {"}": "{", "]": "[", ")": "("}[bracket]
        if not open_kinds[kind]:
            if stack and stack[-1][1] != "{" and bracket != "}":
                open_kinds[stack[-1][1]] -= 1
                faults.append(_Fault("mismatched", stack.pop(), closer))
            else:
                faults.append(_Fault("stray", closer, closer))
            continue
        while not _closes(text, stack, start, bracket):
            open_kinds[stack[-1][1]] -= 1
            faults.append(_Fault("unclosed", stack.pop(), closer))
        open_kinds[kind] -= 1
        opener = stack.pop()
        if bracket == "}":
            pairs.append((opener[0], start))
    end = (len(text), "")
    faults.extend(_Fault("unclosed", opener, end) for opener in reversed(stack))
    return faults, pairs


def _closes(text: str, stack: list[Bracket], start: int, bracket: str) -> bool:
    """Whether the closing bracket belongs to the innermost opener: by kind and, for braces, by indentation."""
    opener, kind = stack[-1]
    if _CLOSER[kind] != bracket:
        return False
    if bracket != "}" or text[line_start(text, start) : start].strip():
        return True
    own = indent(text, start)
    if own >= indent(text, opener):
        return True
    return not any(kind == "{" and indent(text, other) == own for other, kind in stack[:-1])


def _odd(text: str, opener: int, closer: int) -> bool:
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


def _unclosed(draft: Draft, text: str, findings: Findings, opener: Bracket, closer: int) -> None:
    start, bracket = opener
    findings.add(
        "E103",
        f"this `{bracket}` is not closed",
        draft.source.span(start, start + 1),
        label=f"no `{_CLOSER[bracket]}` belongs to it",
        help=f"write the missing `{_CLOSER[bracket]}`",
    )
    if bracket == "{":
        _close_block(draft, text, start, closer)
    else:
        _lose_statement(draft, text, start, closer)


def _close_block(draft: Draft, text: str, start: int, closer: int) -> None:
    """Puts a `}` where the indentation of `text`, the draft before repair, says that the block ends.

    At the latest that is right before `closer`.
    """
    at = line_end(text, start)
    while at < closer:
        line = at + 1
        at = line_end(text, line)
        content = text[line:at].strip()
        if content and not content.startswith("#") and indent(text, line) <= indent(text, start):
            closer = min(closer, line + indent(text, line))
            break
    if closer == len(text):
        draft.cells += ["\n", "}"]
        return
    cell = content_end(draft.cells, closer)
    if cell == start + 1:
        draft.cells[start] = " "  # an empty block needs no braces
        return
    was, draft.cells[cell] = draft.cells[cell], "}"
    if was == "#":
        # The comment gives its place: comments are read from the source itself.
        draft.blank(cell + 1, line_end(text, cell))
    between = draft.cells[cell + 1 : closer]
    if "\n" in between or text[closer] in "}])":
        return
    if between:
        draft.cells[cell + 1] = ";"
    else:
        # No room for a separator: what follows in the same block goes with it.
        draft.lose(closer, _block_end(text, closer))


def _block_end(text: str, start: int) -> int:
    """Where the block around `start` closes."""
    depth = 0
    for match in _MARK.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth < 0:
            return match.start()
    return len(text)


def _lose_statement(draft: Draft, text: str, start: int, closer: int) -> None:
    """Blanks the statement around a list or call left open; the lines after it too while it plainly goes on."""
    first = max(text.rfind(mark, 0, start) for mark in "{};\n") + 1
    end = next((match.start() for match in _MARK.finditer(text, start, closer) if match.group() in ";}\n"), closer)
    while end < closer and text[end] == "\n" and text[first : content_end(text, end)].endswith(("[", "(", ",")):
        end = min(line_end(text, end + 1), closer)
    draft.lose(first, end)


def _mismatched(draft: Draft, findings: Findings, opener: Bracket, closer: Bracket) -> None:
    (place, kind), (start, bracket) = opener, closer
    findings.add(
        "E104",
        f"`{bracket}` where `{_CLOSER[kind]}` would close the `{kind}`",
        draft.source.span(start, start + 1),
        label=f"write `{_CLOSER[kind]}`",
        second=Related(draft.source.span(place, place + 1), "opened here"),
    )
    draft.cells[start] = _CLOSER[kind]


def _stray(draft: Draft, findings: Findings, closer: Bracket) -> None:
    start, bracket = closer
    opener = next(key for key, value in _CLOSER.items() if value == bracket)
    findings.add(
        "E104",
        f"this `{bracket}` closes nothing",
        draft.source.span(start, start + 1),
        label="one `}` too many" if bracket == "}" else f"no open `{opener}` before it",
        help=f"delete it, or write the `{opener}` it belongs to",
    )
    draft.cells[start] = " "


def _too_deep(draft: Draft, findings: Findings, start: int) -> None:
    findings.add(
        "E109",
        f"more than {MOST_NESTED} brackets inside each other",
        draft.source.span(start, start + 1),
        label="too deep",
        help="a spec needs about six",
    )
    draft.lose(0, len(draft.cells))
