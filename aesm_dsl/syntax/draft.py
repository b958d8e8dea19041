"""`Draft`: a text under repair, one character per cell, so that offsets never move."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aesm_dsl.source import Source, Span

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


def indent(text: str, offset: int) -> int:
    """Blanks at the start of the line that holds `offset`."""
    line = text[line_start(text, offset) : line_end(text, offset)]
    return len(line) - len(line.lstrip())
