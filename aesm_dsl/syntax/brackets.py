"""Reports and repairs brackets without a partner, at the place where they open or close."""

from __future__ import annotations

import re

from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.findings.fix import deletion, replacement
from aesm_dsl.syntax.bracket_pairs import (
    CLOSER,
    MARK,
    MOST_NESTED,
    Bracket,
    all_paired,
    cannot_end_block,
    find_faults,
    first_early_closer,
    is_balanced,
)
from aesm_dsl.syntax.lines import Lines
from aesm_dsl.syntax.text_under_repair import TextUnderRepair, content_end, indent, line_end, line_start

MOST_MISTAKES = 50
"""The most syntax errors that are reported at once; a file with more is not a spec."""

# The lookbehind lets a word match only from its first character on: trying every character of a word of thousands
# would take quadratic time.
_LAST = re.compile(r"""(?:"[^"\n]*"|(?<![\w.%])[\w.%]++|[^\s\w])\s*+\Z""")
"""Matches the last word, string or sign of a text."""

_HEAD = re.compile(r'\s*([^\W\d]\w*[ \t]+[^\W\d]\w*(?:[ \t]+"[^"\n]*")?)')
"""Matches a line of a block's kind, its name, perhaps its label, and nothing else."""


def repair_brackets(draft: TextUnderRepair, brackets: list[Bracket], findings: Findings) -> None:
    """Reports and repairs every bracket without a partner.

    Args:
        draft: the text; brackets are added, replaced or blanked in it.
        brackets: its brackets outside strings and comments, in order.
        findings: receives E103, E104 and E109.
    """
    text = "".join(draft.cells)
    lines = Lines(text)
    if all_paired(lines, brackets):
        return
    faults, pairs = find_faults(lines, brackets, MOST_MISTAKES)
    while len(faults) <= MOST_MISTAKES and (
        stray := next((fault for fault in faults if fault.kind == "stray" and fault.closer[1] == "}"), None)
    ):
        # The superfluous brace is rarely the last one: blame the first that stands where no block of its depth ends.
        suspects = [
            closer for opener, closer in pairs if closer < stray.closer[0] and cannot_end_block(lines, opener, closer)
        ]
        culprit = (suspects[0] if suspects else stray.closer[0], "}")
        _repair_stray(draft, findings, culprit)
        brackets = [bracket for bracket in brackets if bracket != culprit]
        faults, pairs = find_faults(lines, brackets, MOST_MISTAKES)
    while len(faults) <= MOST_MISTAKES:
        strays = [fault.closer for fault in faults if fault.kind == "stray"]
        early = first_early_closer(lines, brackets, strays)
        if early is None:
            break
        _repair_stray(draft, findings, early)
        brackets = [bracket for bracket in brackets if bracket != early]
        faults, pairs = find_faults(lines, brackets, MOST_MISTAKES)
    # One more than is reported is enough: then the text is given up as a whole, and the rest need no repair.
    for fault in faults[: MOST_MISTAKES + 1]:
        if fault.kind == "deep":
            _give_up_too_deep(draft, findings, fault.opener[0])
        elif fault.kind == "stray":
            _repair_stray(draft, findings, fault.closer)
        elif fault.kind == "mismatched":
            _repair_mismatched(draft, findings, fault.opener, fault.closer)
        else:
            _repair_unclosed(draft, text, findings, fault.opener, fault.closer[0])
    if not is_balanced("".join(draft.cells)):
        # Several faults in one place: no repair is certain, and a wrong one would be reported as a mistake of the user.
        draft.cells = draft.cells[: len(text)]
        draft.lose(0, len(text))


def _repair_unclosed(draft: TextUnderRepair, text: str, findings: Findings, opener: Bracket, closer: int) -> None:
    start, bracket = opener
    if bracket == "{":
        end = _close_block(draft, text, start, closer)
        where = f"below line {draft.source.position(end)[0]}" if "\n" in text[start:end] else "at the end of the line"
    else:
        last = _LAST.search(text, start, _lose_statement(draft, text, start, closer))
        where = f"after `{last.group().strip()}`" if last else "behind it"
    findings.add(
        "E103",
        f"this `{bracket}` is not closed",
        draft.source.span(start, start + 1),
        label=f"no `{CLOSER[bracket]}` belongs to it",
        help=f"write the missing `{CLOSER[bracket]}` {where}",
    )


def _close_block(draft: TextUnderRepair, text: str, start: int, closer: int) -> int:
    """Writes a `}` where the block that opens at `start` ends by its indentation, at the latest right before `closer`.

    Args:
        draft: the text that is repaired.
        text: the text before any repair.
        start: offset of the block's `{`.
        closer: offset before which the block must end.
    Returns:
        The offset at which the block ends.
    """
    end = line_end(text, start)
    while end < closer:
        line = end + 1
        end = line_end(text, line)
        content = text[line:end].strip()
        if content and not content.startswith("#") and indent(text, line) <= indent(text, start):
            closer = min(closer, line + indent(text, line))
            break
    end = content_end(text, closer)
    if closer == len(text):
        draft.cells += ["\n", "}"]
        return end
    cell = content_end(draft.cells, closer)
    if cell == start + 1:
        draft.cells[start] = " "  # An empty block needs no braces.
        return end
    if draft.cells[cell - 1] == ";" and text[cell - 1].isspace():
        cell -= 1  # A separator written below for an inner block; this `}` separates as well.
    overwritten, draft.cells[cell] = draft.cells[cell], "}"
    if overwritten == "#":
        # No character may be inserted, so the `}` takes the place of a comment. Nothing is lost: the parser reads
        # comments from the source itself.
        draft.blank(cell + 1, line_end(text, cell))
    between = draft.cells[cell + 1 : closer]
    if "\n" in between or text[closer] in "}])":
        return end
    if between:
        draft.cells[cell + 1] = ";"
    else:
        # There is no room for a separator, so the rest of the surrounding block is given up.
        draft.lose(closer, _block_end(text, closer))
    return end


def _block_end(text: str, start: int) -> int:
    """The offset at which the block around `start` closes."""
    depth = 0
    for match in MARK.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth < 0:
            return match.start()
    return len(text)


def _lose_statement(draft: TextUnderRepair, text: str, start: int, closer: int) -> int:
    """Blanks the statement around an unclosed list or call, and the lines after it while the list or call goes on.

    Returns:
        The end of the content of the list or call.
    """
    first = max(text.rfind(mark, 0, start) for mark in "{};\n") + 1
    end = next((match.start() for match in MARK.finditer(text, start, closer) if match.group() in ";}\n"), closer)
    while end < closer and text[end] == "\n" and text.endswith(("[", "(", ","), first, content_end(text, end)):
        end = min(line_end(text, end + 1), closer)
    last = end
    if end == closer and text[closer : closer + 1] in ("]", ")"):
        # This bracket closes an opener before the unclosed one, within the same statement, which goes as a whole.
        last = next((match.start() for match in MARK.finditer(text, closer) if match.group() in ";}\n"), len(text))
    draft.lose(first, last)
    return content_end(text, end)


def _repair_mismatched(draft: TextUnderRepair, findings: Findings, opener: Bracket, closer: Bracket) -> None:
    (opening, kind), (start, bracket) = opener, closer
    findings.add(
        "E104",
        f"`{bracket}` where `{CLOSER[kind]}` would close the `{kind}`",
        draft.source.span(start, start + 1),
        label=f"not a `{CLOSER[kind]}`",
        help=replacement(CLOSER[kind], draft.source.span(start, start + 1)),
        second=Related(draft.source.span(opening, opening + 1), "opened here"),
    )
    draft.cells[start] = CLOSER[kind]


def _repair_stray(draft: TextUnderRepair, findings: Findings, closer: Bracket) -> None:
    start, bracket = closer
    span = draft.source.span(start, start + 1)
    if bracket == "}" and (offsets := _head_above(draft, start)) is not None:
        head = draft.source.span(*offsets)
        findings.add(
            "E104",
            f"the block `{' '.join(head.text.split())}` is not opened",
            head,
            label="no `{` behind it",
            help=replacement(
                "{", head.source.span(head.end, head.end), "write `{` at the end of the line", certain=False
            ),
            second=Related(span, "closed here"),
        )
        draft.cells[head.end] = "{"
        return
    draft.cells[start] = " "
    opener = next(opener for opener, closer in CLOSER.items() if closer == bracket)
    findings.add(
        "E104",
        f"this `{bracket}` closes nothing",
        span,
        label="one `}` too many" if bracket == "}" else f"no open `{opener}` before it",
        help=deletion(span, f"delete it, or write the `{opener}` it belongs to", certain=False),
    )


def _head_above(draft: TextUnderRepair, brace: int) -> tuple[int, int] | None:
    """Finds the head of a block without its `{` that a stray brace would close.

    It is the nearest line above with the brace's indentation, and there are deeper lines between the two.
    """
    text = "".join(draft.cells)
    line = line_start(text, brace)
    brace_indent = indent(text, brace)
    if text[line:brace].strip():
        return None
    inside = False
    while line > 0:
        end, line = line - 1, line_start(text, line - 1)
        if not text[line:end].strip() or text[line:end].lstrip().startswith("#"):
            continue
        if indent(text, line) < brace_indent or (indent(text, line) == brace_indent and not inside):
            return None
        if indent(text, line) == brace_indent:
            head = _HEAD.fullmatch(text, line, content_end(text, end))
            return (head.start(1), head.end(1)) if head and text[head.end(1)] != "#" else None
        inside = True
    return None


def _give_up_too_deep(draft: TextUnderRepair, findings: Findings, start: int) -> None:
    findings.add(
        "E109",
        f"more than {MOST_NESTED} brackets inside each other",
        draft.source.span(start, start + 1),
        label="too deep",
        help="write fewer of them: a spec needs about six",
    )
    draft.lose(0, len(draft.cells))
