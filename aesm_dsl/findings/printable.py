"""Text of users and files as a terminal may show it: without characters that act on it, and not without end."""

from __future__ import annotations

import re
import unicodedata

MOST = 80
"""Characters of a value that a message shows."""
MOST_OF_A_PATH = 1000
"""The same of a value with a `/` or `\\` in it, which may be a path: those are shown as a whole."""

INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of characters that may affect a terminal and are not seen, or that no terminal can show: controls,
formats, line separators, and surrogates, which stand for the bytes of a file name that is not UTF-8."""

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Bidirectional controls: they make a text look like another one (Trojan Source, CVE-2021-42574)."""

_QUOTED = re.compile(r"`([^`]*)`")


def printable(text: str) -> str:
    """Returns the text with a replacement sign for every character that a terminal would act on, line ends too."""
    return text if text.isprintable() else "".join(map(shown_character, text))


def printable_lines(text: str) -> str:
    """Returns the same of a text of several lines, whose ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def shown_character(character: str) -> str:
    """Returns how a character is shown: a tab as four blanks, an invisible character as a replacement sign."""
    if character == "\t":
        return "    "
    if " " <= character <= "~":
        return character
    # The joiner stays: it composes emoji, and the terminal shows the whole sequence as one picture.
    if unicodedata.category(character) in INVISIBLE and character != "\N{ZERO WIDTH JOINER}":
        return "\N{REPLACEMENT CHARACTER}"
    return character


def shortened(message: str) -> str:
    """Returns a message in which a long value in backticks is cut, followed by its length."""
    if len(message) <= MOST:
        return message
    return _QUOTED.sub(_cut, message)


def _cut(match: re.Match[str]) -> str:
    value = match[1]
    most = MOST_OF_A_PATH if "/" in value or "\\" in value else MOST
    # A few characters more are shown: the length in their place would be as long.
    if len(value) <= most + 40:
        return match[0]
    return f"`{value[:MOST]}...` ({len(value):,} characters)"
