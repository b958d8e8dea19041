"""Characters that mean nothing where they stand: what each may have been meant as."""

from __future__ import annotations

import re
import unicodedata

from aesm_dsl.findings.diagnostic import Findings, Help
from aesm_dsl.findings.fix import delete, write
from aesm_dsl.findings.source import Source, Span

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
"""What to do about a character, where nothing around it says more."""

_MEANT: tuple[tuple[str, str, str, bool], ...] = (
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
"""Patterns around a character, what to write in their place, the help if it says more, and whether that is certain."""

_SIGNS = "-+.%"
"""Characters that mean something elsewhere."""


def tell_character(source: Source, start: int, where: str, expected: str, findings: Findings) -> Span:
    """Adds the finding about a character that no word, number or sign starts with; returns its place."""
    found = source.text[start]
    span = source.span(start, start + 1)
    if not found.isprintable() or unicodedata.category(found) == "Cf":
        findings.add(
            "E106",
            f"the invisible character U+{ord(found):04X} is not part of the language",
            span,
            label=unicodedata.name(found, "control character").lower(),
            help=delete(span),
        )
        return span
    match = re.compile(r"//+|--+|/\*").match(source.text, start)
    shown = match.group() if match else found
    findings.add(
        "E106",
        f"unexpected `{shown}` {where}" if shown in _SIGNS else f"`{shown}` is not part of the language",
        source.span(start, start + len(shown)),
        label=f"expected {expected}",
        help=_meant(source, start),
    )
    return span


def _meant(source: Source, start: int) -> Help:
    """What to do, from the text around the character on its line."""
    text = source.text
    first = max(text.rfind("\n", 0, start) + 1, start - 200)
    end = min(len(text) if (found := text.find("\n", start)) < 0 else found, start + 200)
    for pattern, replacement, line, certain in _MEANT:
        for match in re.finditer(pattern, text[first:end]):
            if not match.start() <= start - first < match.end():
                continue
            parts = (match.group(), *match.groups())
            if not replacement:
                return line
            place = source.span(first + match.start(), first + match.end())
            return write(replacement.format(*parts), place, line.format(*parts), certain=certain)
    if unicodedata.category(text[start]) == "So":
        return "write letters, digits and `_` in names; a label in quotes may hold anything"
    return _SYMBOLS.get(text[start], "delete it, or write what it belongs to in quotes")
