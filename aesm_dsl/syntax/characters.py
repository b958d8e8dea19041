"""What is wrong before the grammar looks: conflict markers, full-width punctuation, strings left open.

Every fault is told and repaired in place, so that offsets never move and the grammar sees no echo of it.
Safe oddities (a byte order mark, CRLF, tabs) are blanks to the grammar and need no finding.
"""

from __future__ import annotations

import re
from itertools import groupby, takewhile

from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.findings.fix import Edit, Fix, Mend
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.brackets import pair_brackets
from aesm_dsl.syntax.text_under_repair import COMMENT, Draft, line_end, line_start

__all__ = ["COMMENT", "FULL_WIDTH", "clean"]

FULL_WIDTH = {
    "：": ":", "＝": "=", "｛": "{", "｝": "}", "［": "[", "］": "]", "（": "(", "）": ")", "，": ",", "；": ";",
    "＃": "#", "“": '"', "”": '"', "＂": '"', "、": ",", "【": "[", "】": "]", "％": "%", "。": ".", "．": ".",
    "－": "-", "＋": "+", "「": '"', "」": '"', "『": '"', "』": '"', "《": '"', "》": '"', "‘": '"', "’": '"',
    "„": '"', "«": '"', "»": '"', "−": "-", "–": "-",
}  # fmt: skip
"""Look-alike punctuation, and the key that was meant."""

_CONFLICT = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?=[ \r\n]|\Z)[^\n]*", re.MULTILINE)
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]|\\[^\n])*")|(?P<comment>#[^\n]*)|(?P<open>")|(?P<bracket>[{}\[\]()])|(?P<wide>['
    + "".join(FULL_WIDTH)
    + "])"
)
_QUOTE = re.compile('["\n' + "".join(wide for wide, key in FULL_WIDTH.items() if key == '"') + "]")
"""What closes a string that a look-alike opened, or the end of its line."""
_WORD = re.compile(r"\w")
_LEFT_OPEN = re.compile(r'"[^"“]*”')
"""A string that opens with the key and closes with a look-alike: what follows is outside, whatever quote comes next."""


def clean(source: Source, findings: Findings) -> tuple[str, list[Span]]:
    """A text of the same length that the grammar can read, and the places that were lost on the way."""
    draft = Draft(source, list(source.text), [])
    for place in range(len(source.text) - len(source.text.lstrip("\ufeff"))):
        draft.cells[place] = " "  # a byte order mark, or several of files put together
    _conflicts(draft, findings)
    brackets = _punctuation(draft, findings)
    pair_brackets(draft, brackets, findings)
    return "".join(draft.cells), draft.damaged


def _conflicts(draft: Draft, findings: Findings) -> None:
    """A merge conflict keeps its first side; the markers and the other sides are blanked."""
    opener: re.Match[str] | None = None
    middle: re.Match[str] | None = None
    for match in _CONFLICT.finditer(draft.source.text):
        mark = match.group(1)[0]
        if mark == "<":
            if opener is not None:
                _conflict(draft, findings, opener, None, None)
            opener, middle = match, None
        elif opener is None:
            _conflict(draft, findings, match, None, None)
        elif mark == ">":
            _conflict(draft, findings, opener, middle or match, match)
            opener = None
        else:
            middle = middle or match
    if opener is not None:
        _conflict(draft, findings, opener, middle, None)


def _conflict(
    draft: Draft,
    findings: Findings,
    first: re.Match[str],
    middle: re.Match[str] | None,
    last: re.Match[str] | None,
) -> None:
    source = draft.source
    findings.add(
        "E105",
        "unresolved merge conflict",
        source.span(first.start(), first.end()),
        label="the conflict starts here" if last else "left by a merge",
        help="keep one of the sides, and delete the others and the marker lines" if last else "delete the marker line",
        second=Related(source.span(last.start(), last.end()), "and ends here") if last else None,
    )
    draft.blank(first.start(), first.end())
    if middle is not None:
        draft.lose(middle.start(), (last or middle).end())


def _punctuation(draft: Draft, findings: Findings) -> list[tuple[int, str]]:
    """Repairs full-width punctuation and open strings; the brackets that are left, in the order they stand."""
    brackets: list[tuple[int, str]] = []
    wide: list[int] = []
    text, at = "".join(draft.cells), 0
    while match := _TOKEN.search(text, at):
        at = match.end()
        if match.lastgroup == "bracket":
            brackets.append((match.start(), match.group()))
        elif match.lastgroup == "open" or (match.lastgroup == "string" and _is_left_open(text, match)):
            at = _open_string(draft, findings, text, match.start(), brackets, wide)
        elif match.lastgroup == "wide":
            at = _full_width(draft, findings, text, match.start(), brackets, wide)
    for _, line in groupby(sorted(wide), lambda offset: draft.source.position(offset)[0]):
        _tell_wide(draft.source, findings, list(line))
    return brackets


def _is_left_open(text: str, string: re.Match[str]) -> bool:
    """Whether a look-alike was to close the string: then a word stands right behind it, or another one is left open."""
    rest = text[string.end() : line_end(text, string.end())]
    return bool(_LEFT_OPEN.match(string.group())) and (bool(_WORD.match(rest)) or rest.count('"') % 2 == 1)


def _open_string(
    draft: Draft, findings: Findings, text: str, start: int, brackets: list[tuple[int, str]], wide: list[int]
) -> int:
    """A string that its line does not close: blanks the statement it stands in; where the scan goes on."""
    source, end = draft.source, line_end(text, start)
    close = next((i for i in range(start + 1, end) if FULL_WIDTH.get(text[i]) == '"'), None)
    if close is not None:
        draft.cells[close] = '"'
        wide.append(close)
        return close + 1
    line = line_start(text, start)
    start = next((at for at, stop in _strings(text, line, start) if _WORD.match(text, stop)), start)
    while brackets and (brackets[-1][0] > start or (brackets[-1][1] in "[]()" and brackets[-1][0] >= line)):
        brackets.pop()
    findings.add(
        "E101",
        "this string is not closed",
        source.span(start, start + len(text[start:end].rstrip())),
        label='no closing `"` on this line',
        help='write the missing `"`: a string ends on its line',
    )
    if text[start:end].rstrip().endswith("{"):
        # A block's label swallowed its brace: the block still opens.
        brace = text.rindex("{", start, end)
        brackets.append((brace, "{"))
        draft.blank(start, brace)
        return end
    last = max([line, text.rfind(";", line, start) + 1, *(at + 1 for at, _ in brackets[-1:] if at >= line)])
    closers = re.search(r"[\s}]*\Z", text[start:end])
    # What was opened on this line before the string closes on it too: `node a { value = "x }`.
    here = takewhile(lambda bracket: bracket[0] >= line, reversed(brackets))
    depth = sum({"{": 1, "}": -1}.get(bracket, 0) for _, bracket in here)
    kept = end
    for offset in range(end - 1, start + (closers.start() if closers else 0) - 1, -1):
        if text[offset] == "}" and depth > 0:
            depth -= 1
            kept = offset
    draft.lose(last, kept)
    brackets.extend((offset, "}") for offset in range(kept, end) if text[offset] == "}")
    return end


def _strings(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the strings between two places start and end: one with a word right behind it was left open before."""
    found = (match for match in _TOKEN.finditer(text, start, end) if match.lastgroup == "string")
    return [(match.start(), match.end()) for match in found]


def _full_width(
    draft: Draft, findings: Findings, text: str, start: int, brackets: list[tuple[int, str]], wide: list[int]
) -> int:
    """Puts the meant key in the place of one look-alike; where the scan goes on."""
    meant, end = FULL_WIDTH[text[start]], start + 1
    if meant == '"':
        close = _QUOTE.search(text, end)
        if close is None or close.group() == "\n":
            return _open_string(draft, findings, text, start, brackets, wide)
        draft.cells[close.start()] = '"'
        if close.group() != '"':
            wide.append(close.start())
        end = close.end()
    wide.append(start)
    draft.cells[start] = meant
    if meant in "{}[]()":
        brackets.append((start, meant))
    return line_end(text, start) if meant == "#" else end


def _tell_wide(source: Source, findings: Findings, offsets: list[int]) -> None:
    """The look-alikes of one line, told together: they come from one state of the keyboard."""
    found = list(dict.fromkeys(source.text[offset] for offset in offsets))
    meant = list(dict.fromkeys(FULL_WIDTH[one] for one in found))
    first, several = source.text[offsets[0]], len(offsets) > 1
    edits = [Edit(source.span(offset, offset + 1), FULL_WIDTH[source.text[offset]]) for offset in offsets]
    findings.add(
        "E102",
        f"{_listed(found)} where the key{'s' * (len(meant) > 1)} {_listed(meant)} "
        f"{'are' if len(meant) > 1 else 'is'} meant",
        source.span(offsets[0], offsets[0] + 1),
        label=f"not the key `{FULL_WIDTH[first]}`" + (f"; the first of {len(offsets)} on this line" if several else ""),
        help=Mend(
            f"write {_listed(meant)}; inside strings and comments such punctuation is welcome",
            (Fix(f"write `{' '.join(meant)}` on this line", tuple(edits)),),
        ),
    )


def _listed(characters: list[str]) -> str:
    quoted = [f"`{one}`" for one in characters]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
