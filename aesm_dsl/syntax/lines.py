"""`Lines`: where the lines of a text start, how far they are indented, and which settings they hold, found once."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

_SETTING = re.compile(r"^([^\S\n]*)(\w+)[^\S\n]*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WrittenSetting:
    """A setting at the start of a line."""

    line: int
    """Offset of the start of the line."""
    indent: int
    name: int
    """Offset of its name."""
    end: int
    """Offset behind its `=`."""


class Lines:
    """The lines of a text. Every question takes the same short time, in a line of any length."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._indents: dict[int, int] = {}

    def start(self, offset: int) -> int:
        """Returns the offset at which the line around an offset starts."""
        return self._starts[bisect_right(self._starts, offset) - 1]

    def end(self, offset: int) -> int:
        """Returns the offset of the line end at or after an offset, or the length of the text."""
        number = bisect_right(self._starts, offset)
        return self._starts[number] - 1 if number < len(self._starts) else len(self.text)

    def indent(self, offset: int) -> int:
        """Counts the blanks at the start of the line around an offset."""
        start = self.start(offset)
        if start not in self._indents:
            line = self.text[start : self.end(start)]
            self._indents[start] = len(line) - len(line.lstrip())
        return self._indents[start]

    def starts_line(self, offset: int) -> bool:
        """Whether nothing but blanks stands before an offset on its line."""
        return offset <= self.start(offset) + self.indent(offset)

    @cached_property
    def settings(self) -> list[WrittenSetting]:
        """The settings at the starts of lines."""
        return [
            WrittenSetting(match.start(), len(match.group(1)), match.start(2), match.end())
            for match in _SETTING.finditer(self.text)
        ]

    def first_setting(self, offset: int) -> int:
        """Returns the index of the first setting on a line that starts at or after an offset."""
        return bisect_left(self.settings, offset, key=lambda setting: setting.line)
