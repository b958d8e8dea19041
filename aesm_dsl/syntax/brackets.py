"""Pairs the brackets of a text; what has no partner is told where it was opened, or where it closes nothing."""

from __future__ import annotations

import re

from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.findings.fix import delete, write
from aesm_dsl.syntax.bracket_pairs import CLOSER, MARK, MOST_NESTED, Bracket, balanced, closed_early, odd, pair, sound
from aesm_dsl.syntax.text_under_repair import Draft, content_end, indent, line_end, line_start

MOST_MISTAKES = 50
"""Mistakes of syntax told in one go; a file with more is not a spec."""

# A word is tried at its beginning alone: in one of thousands of characters every place would be too many.
_LAST = re.compile(r"""(?:"[^"\n]*"|(?<![\w.%])[\w.%]++|[^\s\w])\s*+\Z""")
"""The last word, string or sign of a text."""

_HEAD = re.compile(r'\s*([^\W\d]\w*[ \t]+[^\W\d]\w*(?:[ \t]+"[^"\n]*")?)')
"""A line that has a block's kind, its name and perhaps its label, and nothing else."""


def pair_brackets(draft: Draft, brackets: list[Bracket], findings: Findings) -> None:
    """Tells and repairs every bracket without a partner."""
    text = "".join(draft.cells)
    if sound(text, brackets):
        return
    faults, pairs = pair(text, brackets)
    while len(faults) <= MOST_MISTAKES and (
        stray := next((one for one in faults if one.what == "stray" and one.closer[1] == "}"), None)
    ):
        # The brace too many is rarely the last one: blame the first that stands where no block of its depth ends.
        found = [closer for opener, closer in pairs if closer < stray.closer[0] and odd(text, opener, closer)]
        culprit = (found[0] if found else stray.closer[0], "}")
        _stray(draft, findings, culprit)
        brackets = [one for one in brackets if one != culprit]
        faults, pairs = pair(text, brackets)
    while len(faults) <= MOST_MISTAKES and (
        early := next(
            (
                blamed
                for one in faults
                if one.what == "stray" and (blamed := closed_early(text, brackets, one.closer)) != one.closer
            ),
            None,
        )
    ):
        _stray(draft, findings, early)
        brackets = [one for one in brackets if one != early]
        faults, pairs = pair(text, brackets)
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
    if not balanced("".join(draft.cells)):
        # Several faults in one place: no repair is sure, and a wrong one would be told as a mistake.
        draft.cells = draft.cells[: len(text)]
        draft.lose(0, len(text))


def _unclosed(draft: Draft, text: str, findings: Findings, opener: Bracket, closer: int) -> None:
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


def _close_block(draft: Draft, text: str, start: int, closer: int) -> int:
    """Puts a `}` where the indentation of `text`, the draft before repair, says that the block ends; returns the place.

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
    end = content_end(text, closer)
    if closer == len(text):
        draft.cells += ["\n", "}"]
        return end
    cell = content_end(draft.cells, closer)
    if cell == start + 1:
        draft.cells[start] = " "  # an empty block needs no braces
        return end
    if draft.cells[cell - 1] == ";" and text[cell - 1].isspace():
        cell -= 1  # put there behind a block closed just before, which this `}` parts from the rest as well
    was, draft.cells[cell] = draft.cells[cell], "}"
    if was == "#":
        # The comment gives its place: comments are read from the source itself.
        draft.blank(cell + 1, line_end(text, cell))
    between = draft.cells[cell + 1 : closer]
    if "\n" in between or text[closer] in "}])":
        return end
    if between:
        draft.cells[cell + 1] = ";"
    else:
        # No room for a separator: what follows in the same block goes with it.
        draft.lose(closer, _block_end(text, closer))
    return end


def _block_end(text: str, start: int) -> int:
    """Where the block around `start` closes."""
    depth = 0
    for match in MARK.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth < 0:
            return match.start()
    return len(text)


def _lose_statement(draft: Draft, text: str, start: int, closer: int) -> int:
    """Blanks the statement around a list or call left open; the lines after it too while it plainly goes on.

    Returns where what stands in the list or call ends.
    """
    first = max(text.rfind(mark, 0, start) for mark in "{};\n") + 1
    end = next((match.start() for match in MARK.finditer(text, start, closer) if match.group() in ";}\n"), closer)
    while end < closer and text[end] == "\n" and text[first : content_end(text, end)].endswith(("[", "(", ",")):
        end = min(line_end(text, end + 1), closer)
    last = end
    if end == closer and text[closer : closer + 1] in ("]", ")"):
        # What closes here was opened before: it is lost with the rest of the statement.
        last = next((match.start() for match in MARK.finditer(text, closer) if match.group() in ";}\n"), len(text))
    draft.lose(first, last)
    return content_end(text, end)


def _mismatched(draft: Draft, findings: Findings, opener: Bracket, closer: Bracket) -> None:
    (place, kind), (start, bracket) = opener, closer
    findings.add(
        "E104",
        f"`{bracket}` where `{CLOSER[kind]}` would close the `{kind}`",
        draft.source.span(start, start + 1),
        label=f"not a `{CLOSER[kind]}`",
        help=write(CLOSER[kind], draft.source.span(start, start + 1)),
        second=Related(draft.source.span(place, place + 1), "opened here"),
    )
    draft.cells[start] = CLOSER[kind]


def _stray(draft: Draft, findings: Findings, closer: Bracket) -> None:
    start, bracket = closer
    place = draft.source.span(start, start + 1)
    if bracket == "}" and (head := _head_above(draft, start)) is not None:
        words = draft.source.span(*head)
        findings.add(
            "E104",
            f"the block `{' '.join(words.text.split())}` is not opened",
            words,
            label="no `{` behind it",
            help=write("{", words.source.span(words.end, words.end), "write `{` at the end of the line", certain=False),
            second=Related(place, "closed here"),
        )
        draft.cells[words.end] = "{"
        return
    draft.cells[start] = " "
    opener = next(key for key, value in CLOSER.items() if value == bracket)
    findings.add(
        "E104",
        f"this `{bracket}` closes nothing",
        place,
        label="one `}` too many" if bracket == "}" else f"no open `{opener}` before it",
        help=delete(place, f"delete it, or write the `{opener}` it belongs to", certain=False),
    )


def _head_above(draft: Draft, brace: int) -> tuple[int, int] | None:
    """Where the head of a block without its `{` stands that a brace would close: at its indentation, lines below it."""
    text = "".join(draft.cells)
    line = line_start(text, brace)
    own = indent(text, brace)
    if text[line:brace].strip():
        return None
    inside = False
    while line > 0:
        end, line = line - 1, line_start(text, line - 1)
        if not text[line:end].strip() or text[line:end].lstrip().startswith("#"):
            continue
        if indent(text, line) < own or (indent(text, line) == own and not inside):
            return None
        if indent(text, line) == own:
            head = _HEAD.fullmatch(text, line, content_end(text, end))
            return (head.start(1), head.end(1)) if head and text[head.end(1)] != "#" else None
        inside = True
    return None


def _too_deep(draft: Draft, findings: Findings, start: int) -> None:
    findings.add(
        "E109",
        f"more than {MOST_NESTED} brackets inside each other",
        draft.source.span(start, start + 1),
        label="too deep",
        help="write fewer of them: a spec needs about six",
    )
    draft.lose(0, len(draft.cells))
