"""Reports characters with which no token starts, and guesses what was meant."""

from __future__ import annotations

import re
import unicodedata

from aesm_dsl.findings.diagnostic import Findings, Help
from aesm_dsl.findings.fix import deletion, replacement
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.text_under_repair import line_end

_SYMBOLS = {
    "'": 'write strings in `"`',
    "`": 'write strings in `"`',
    "/": "write paths in quotes; a comment starts with `#`",
    "-": "write a negative number without a blank after its `-`; names are letters, digits and `_`",
    "$": "write the value itself: there are no variables",
    "\\": "delete it: a list or call goes on in the next line by itself",
    ".": "write a dotted name without blanks",
    "*": "write the value itself: there is no arithmetic",
    "+": "write the value itself: there is no arithmetic",
    "%": "write `%` right behind the number",
    "<": "write a comparison as a call, such as `above(column: clicks, value: 0)`",
    ">": "write a comparison as a call, such as `above(column: clicks, value: 0)`",
    "!": "write a comparison as a call, such as `equals(column: kind, value: 1)`",
    "&": "write statements on lines of their own, or `;` between them",
    "|": "write several values as a list: `[a, b]`",
}
"""Help for each character if the text around it says nothing more specific."""

_PATTERNS: tuple[tuple[str, str, str, bool], ...] = (
    (r"(?<![\w.])\.(\d+)", "0.{1}", "", True),
    (r"\d+\.(?![\d\w])", "{0}0", "write a digit after the point: `{0}0`", True),
    (r"(\d+)[ \t]+%", "{1}%", "", True),
    (r"'([^'\"\n]*)'", '"{1}"', 'write `"{1}"`: strings stand in double quotes', True),
    (r"`([^`\"\n]*)`", '"{1}"', 'write `"{1}"`: strings stand in double quotes', True),
    (r"(\w+)[ \t]*>[ \t]*(\d+(?:\.\d+)?)", "above(column: {1}, value: {2})", "", False),
    (r"//+|--+", "#", "write `#`: it starts a comment", True),
    (r"/\*", "", "write `#` at the start of each line of a comment", False),
    (r"[\w.]+(?:-[\w.]+)*(?:/[\w.*-]+)+", '"{0}"', 'write `"{0}"`: a path stands in quotes', True),
    (r"(?<=\w)-(?=[^\W\d])", "_", "write `_`: names are letters, digits and `_`", False),
)
"""For the text around a character: a pattern, a template of the replacement (none if empty), the help line if it is not
just "write" and the replacement, and whether the fix is certain. `{0}` is the match, `{1}` its first group."""

_USED_ELSEWHERE = "-+.%"
"""Characters that the language uses in other places."""


def report_stray_character(source: Source, start: int, where: str, expected: str, findings: Findings) -> Span:
    """Reports a character with which no token starts (E106).

    Args:
        source: the source.
        start: offset of the character.
        where: the parser's position in words, as `parse_errors.describe_state` gives it.
        expected: what may stand there, in words.
        findings: receives the finding.
    Returns:
        The span of the character.
    """
    character = source.text[start]
    span = source.span(start, start + 1)
    if not character.isprintable() or unicodedata.category(character) == "Cf":
        findings.add(
            "E106",
            f"the invisible character U+{ord(character):04X} is not part of the language",
            span,
            label=unicodedata.name(character, "control character").lower(),
            help=deletion(span),
        )
        return span
    match = re.compile(r"//+|--+|/\*").match(source.text, start)
    shown = match.group() if match else character
    findings.add(
        "E106",
        f"unexpected `{shown}` {where}" if shown in _USED_ELSEWHERE else f"`{shown}` is not part of the language",
        source.span(start, start + len(shown)),
        label=f"expected {expected}",
        help=_help(source, start),
    )
    return span


def _help(source: Source, start: int) -> Help:
    """Help that depends on the text around the character on its line, of which at most 200 characters on each side."""
    text = source.text
    first = max(text.rfind("\n", 0, start) + 1, start - 200)
    end = min(line_end(text, start), start + 200)
    for pattern, template, line, certain in _PATTERNS:
        for match in re.finditer(pattern, text[first:end]):
            if not match.start() <= start - first < match.end():
                continue
            parts = (match.group(), *match.groups())
            if not template:
                return line
            span = source.span(first + match.start(), first + match.end())
            return replacement(template.format(*parts), span, line.format(*parts), certain=certain)
    if unicodedata.category(text[start]) == "So":
        return "write letters, digits and `_` in names; a label in quotes may hold anything"
    return _SYMBOLS.get(text[start], "delete it, or write what it belongs to in quotes")
