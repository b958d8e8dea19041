"""Mistakes that are found before parsing: conflict markers, full-width punctuation, unclosed strings.

Each is reported and repaired in place, without inserting or deleting characters: all offsets stay valid, and the parser
does not report the same mistake again. Harmless characters (a byte order mark, CRLF, tabs) are blanks to the grammar.
"""

from __future__ import annotations

import re
from itertools import groupby, takewhile

from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.findings.fix import Edit, Fix, HelpWithFix
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.bracket_pairs import Bracket
from aesm_dsl.syntax.brackets import repair_brackets
from aesm_dsl.syntax.text_under_repair import TextUnderRepair, line_end, line_start

FULL_WIDTH = {
    "：": ":", "＝": "=", "｛": "{", "｝": "}", "［": "[", "］": "]", "（": "(", "）": ")", "，": ",", "；": ";",
    "＃": "#", "“": '"', "”": '"', "＂": '"', "、": ",", "【": "[", "】": "]", "％": "%", "。": ".", "．": ".",
    "－": "-", "＋": "+", "「": '"', "」": '"', "『": '"', "』": '"', "《": '"', "》": '"', "‘": '"', "’": '"',
    "„": '"', "«": '"', "»": '"', "−": "-", "–": "-",
}  # fmt: skip
"""Maps punctuation of other scripts to the ASCII key that was meant."""

_CONFLICT = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?=[ \r\n]|\Z)[^\n]*", re.MULTILINE)
_NO_STRING = re.compile(
    r'(?P<comment>#[^\n]*)|(?P<open>")|(?P<bracket>[{}\[\]()])|(?P<wide>[' + "".join(FULL_WIDTH) + "])"
)
_TOKEN = re.compile(r'(?P<string>"(?:[^"\\\n]|\\[^\n])*+")|' + _NO_STRING.pattern)
_QUOTE = re.compile('["\n' + "".join(wide for wide, key in FULL_WIDTH.items() if key == '"') + "]")
"""Matches what closes a string that opens with a full-width quote, or the end of its line."""
_WORD = re.compile(r"\w")
_CLOSED_BY_FULL_WIDTH = re.compile(r'"[^"“]*”')
"""Matches a string that opens with the key `"` and closes with a full-width quote."""


def repair_source(source: Source, findings: Findings) -> tuple[str, list[Span]]:
    """Reports and repairs what a parser could not recover from.

    Returns:
        The text that can be parsed, in which all offsets are those of the source (a closing `}` may be added at its
        end), and the places that were given up.
    """
    draft = TextUnderRepair(source, list(source.text), [])
    for offset in range(len(source.text) - len(source.text.lstrip("\ufeff"))):
        draft.cells[offset] = " "  # A byte order mark; there are several if files were concatenated.
    _repair_conflicts(draft, findings)
    repair_brackets(draft, _Scanner(draft, findings).scan(), findings)
    return "".join(draft.cells), draft.damaged


def _repair_conflicts(draft: TextUnderRepair, findings: Findings) -> None:
    """Keeps the first side of every merge conflict; blanks the markers and the other sides."""
    opener: re.Match[str] | None = None
    middle: re.Match[str] | None = None
    for match in _CONFLICT.finditer(draft.source.text):
        mark = match.group(1)[0]
        if mark == "<":
            if opener is not None:
                _repair_conflict(draft, findings, opener, None, None)
            opener, middle = match, None
        elif opener is None:
            _repair_conflict(draft, findings, match, None, None)
        elif mark == ">":
            _repair_conflict(draft, findings, opener, middle or match, match)
            opener = None
        else:
            middle = middle or match
    if opener is not None:
        _repair_conflict(draft, findings, opener, middle, None)


def _repair_conflict(
    draft: TextUnderRepair,
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


class _Scanner:
    """Repairs full-width punctuation and unclosed strings in one scan, and collects the brackets."""

    def __init__(self, draft: TextUnderRepair, findings: Findings) -> None:
        self.draft, self.findings = draft, findings
        self.source, self.text = draft.source, "".join(draft.cells)
        self.brackets: list[Bracket] = []
        self.full_width: list[int] = []
        self.no_strings_until = 0
        self.quotes_after = (0, 0, 0)
        """An offset, the end of its line, and the number of `"` between the two."""

    def scan(self) -> list[Bracket]:
        """Scans the text; returns the brackets outside strings and comments, in order."""
        at = 0
        while match := (_TOKEN if at >= self.no_strings_until else _NO_STRING).search(self.text, at):
            at = match.end()
            if match.lastgroup == "bracket":
                self.brackets.append((match.start(), match.group()))
            elif match.lastgroup == "open":
                # Each further quote on the line has a backslash before it, so it closes no string and starts none.
                self.no_strings_until = line_end(self.text, at)
                at = self.repair_open_string(match.start())
            elif match.lastgroup == "string" and self.ends_too_late(match):
                at = self.repair_open_string(match.start())
            elif match.lastgroup == "wide":
                at = self.repair_full_width(match.start())
        for _, line in groupby(sorted(self.full_width), lambda offset: self.source.position(offset)[0]):
            _report_full_width(self.source, self.findings, list(line))
        return self.brackets

    def ends_too_late(self, string: re.Match[str]) -> bool:
        """Whether a full-width quote was meant to close a string, so that its `"` is the start of the next one.

        That is plain if a word follows without a blank, or if the rest of the line has an odd number of `"`.
        """
        if not _CLOSED_BY_FULL_WIDTH.match(string.group()):
            return False
        return bool(_WORD.match(self.text, string.end())) or self.count_quotes_after(string.end()) % 2 == 1

    def count_quotes_after(self, offset: int) -> int:
        """Counts the `"` from an offset to the end of its line; offsets grow from call to call."""
        at, end, count = self.quotes_after
        if not at <= offset <= end or not end:
            end = line_end(self.text, offset)
            count = self.text.count('"', offset, end)
        else:
            count -= self.text.count('"', at, offset)
        self.quotes_after = offset, end, count
        return count

    def repair_open_string(self, start: int) -> int:
        """Repairs a string that has no closing `"` on its line; returns the offset at which the scan goes on.

        A full-width quote on the line closes it. Otherwise the statement is given up, but not the block it opens.
        """
        text, draft, brackets, end = self.text, self.draft, self.brackets, line_end(self.text, start)
        close = next((i for i in range(start + 1, end) if FULL_WIDTH.get(text[i]) == '"'), None)
        if close is not None:
            draft.cells[close] = '"'
            self.full_width.append(close)
            return close + 1
        line = line_start(text, start)
        # A string with a word right behind it shows that the unclosed one is that string.
        strings = (match.span() for match in _TOKEN.finditer(text, line, start) if match.lastgroup == "string")
        start = next((first for first, stop in strings if _WORD.match(text, stop)), start)
        while brackets and (brackets[-1][0] > start or (brackets[-1][1] in "[]()" and brackets[-1][0] >= line)):
            brackets.pop()
        self.findings.add(
            "E101",
            "this string is not closed",
            self.source.span(start, start + len(text[start:end].rstrip())),
            label='no closing `"` on this line',
            help='write the missing `"`: a string ends on its line',
        )
        if text[start:end].rstrip().endswith("{"):
            # The string is a block's label and contains the block's brace, which still opens the block.
            brace = text.rindex("{", start, end)
            brackets.append((brace, "{"))
            draft.blank(start, brace)
            return end
        statement = max([line, text.rfind(";", line, start) + 1, *(at + 1 for at, _ in brackets[-1:] if at >= line)])
        closers = re.search(r"[\s}]*\Z", text[start:end])
        # Blocks that were opened on this line before the string also close on it: `node a { value = "x }`.
        on_line = takewhile(lambda bracket: bracket[0] >= line, reversed(brackets))
        depth = sum({"{": 1, "}": -1}.get(bracket, 0) for _, bracket in on_line)
        lost_end = end
        for offset in range(end - 1, start + (closers.start() if closers else 0) - 1, -1):
            if text[offset] == "}" and depth > 0:
                depth -= 1
                lost_end = offset
        draft.lose(statement, lost_end)
        brackets.extend((offset, "}") for offset in range(lost_end, end) if text[offset] == "}")
        return end

    def repair_full_width(self, start: int) -> int:
        """Replaces a full-width character by the key that was meant; returns the offset at which the scan goes on."""
        meant, end = FULL_WIDTH[self.text[start]], start + 1
        if meant == '"':
            close = _QUOTE.search(self.text, end)
            if close is None or close.group() == "\n":
                return self.repair_open_string(start)
            self.draft.cells[close.start()] = '"'
            if close.group() != '"':
                self.full_width.append(close.start())
            end = close.end()
        self.full_width.append(start)
        self.draft.cells[start] = meant
        if meant in "{}[]()":
            self.brackets.append((start, meant))
        return line_end(self.text, start) if meant == "#" else end


def _report_full_width(source: Source, findings: Findings, offsets: list[int]) -> None:
    """Reports the full-width characters of one line together, with one fix: they come from one keyboard mode."""
    written = list(dict.fromkeys(source.text[offset] for offset in offsets))
    meant = list(dict.fromkeys(FULL_WIDTH[character] for character in written))
    first, several = source.text[offsets[0]], len(offsets) > 1
    edits = [Edit(source.span(offset, offset + 1), FULL_WIDTH[source.text[offset]]) for offset in offsets]
    findings.add(
        "E102",
        f"{_listed(written)} where the key{'s' * (len(meant) > 1)} {_listed(meant)} "
        f"{'are' if len(meant) > 1 else 'is'} meant",
        source.span(offsets[0], offsets[0] + 1),
        label=f"not the key `{FULL_WIDTH[first]}`" + (f"; the first of {len(offsets)} on this line" if several else ""),
        help=HelpWithFix(
            f"write {_listed(meant)}; inside strings and comments such punctuation is welcome",
            (Fix(f"write `{' '.join(meant)}` on this line", tuple(edits)),),
        ),
    )


def _listed(characters: list[str]) -> str:
    quoted = [f"`{character}`" for character in characters]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
