"""`Draft`: a text under repair, one character per cell, so that offsets never move."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aesm_dsl.findings.source import Source, Span

COMMENT = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"|(?P<comment>#[^\n]*)')
"""Strings or comments, whichever starts first: a `#` inside a string is no comment."""


@dataclass(slots=True)
class Draft:
    """The text under repair, and the places that were lost on the way."""

    source: Source
    cells: list[str]
    damaged: list[Span]

    def blank(self, start: int, end: int) -> None:
        self.cells[start:end] = ["\n" if cell == "\n" else " " for cell in self.cells[start:end]]

    def lose(self, start: int, end: int) -> None:
        """Blanks a place and remembers that its text could not be read."""
        self.blank(start, end)
        self.damaged.append(self.source.span(start, end))


def line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end


def content_end(text: Sequence[str], end: int) -> int:
    """The first place before `end` with nothing behind it but blanks and comments."""
    while end > 0:
        line = end - 1
        while line > 0 and text[line - 1] != "\n":
            line -= 1
        written = "".join(text[line:end])
        comment = next((match.start() for match in COMMENT.finditer(written) if match.group("comment")), len(written))
        if content := written[:comment].rstrip():
            return line + len(content)
        end = line
    return 0


def indent(text: str, offset: int) -> int:
    """Blanks at the start of the line that holds `offset`."""
    line = text[line_start(text, offset) : line_end(text, offset)]
    return len(line) - len(line.lstrip())
