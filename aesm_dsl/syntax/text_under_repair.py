"""`TextUnderRepair`: a text that is repaired character by character, so that all offsets stay valid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aesm_dsl.findings.source import Source, Span

COMMENT = re.compile(r'"(?:[^"\\\n]|\\[^\n])*+"|"[^#\n]*|(?P<comment>#[^\n]*)')
"""Matches strings and comments, whichever starts first: a `#` inside a string starts no comment.

If a string is not closed on its line, no other quote on the line starts one either: each has a backslash before it. The
second form goes past them all, so that the rest of the line is not searched again from every one.
"""


@dataclass(slots=True)
class TextUnderRepair:
    """A text that is being repaired, and the places that were given up."""

    source: Source
    cells: list[str]
    """The text, one character per cell."""
    damaged: list[Span]
    """Places whose text could not be read."""

    def blank(self, start: int, end: int) -> None:
        """Replaces everything but line ends by blanks."""
        self.cells[start:end] = ["\n" if cell == "\n" else " " for cell in self.cells[start:end]]

    def lose(self, start: int, end: int) -> None:
        """Blanks a place and records that its text could not be read."""
        self.blank(start, end)
        self.damaged.append(self.source.span(start, end))


def line_start(text: str, offset: int) -> int:
    """Returns the offset at which the line around `offset` starts."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Returns the offset of the line end at or after `offset`, or the length of the text."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def content_end(text: Sequence[str], end: int) -> int:
    """Returns the end of the last text before `end` that is neither blank nor comment; 0 if there is none."""
    while end > 0:
        line = end - 1
        while line > 0 and text[line - 1] != "\n":
            line -= 1
        content = "".join(text[line:end])
        comment = next((match.start() for match in COMMENT.finditer(content) if match.group("comment")), len(content))
        if content := content[:comment].rstrip():
            return line + len(content)
        end = line
    return 0


def indent(text: str, offset: int) -> int:
    """Counts the blanks at the start of the line around `offset`."""
    line = text[line_start(text, offset) : line_end(text, offset)]
    return len(line) - len(line.lstrip())
