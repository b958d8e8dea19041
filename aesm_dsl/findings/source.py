"""`Source`: a text with its lines. `Span`: a place in a source, to which findings and trees refer."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """A text and where it comes from."""

    path: str
    """Path of its file, or a name such as `<text>` or `--set`."""
    text: str
    included_from: Span | None = field(default=None, repr=False, compare=False)
    """The `import` that names the file; None for a file that the user named."""
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Offset of the first character of every line."""

    def __post_init__(self) -> None:
        # A single carriage return ends a line too. It is replaced by one character, so that offsets into the file
        # stay valid. The class is frozen, hence object.__setattr__.
        object.__setattr__(self, "text", re.sub("\r(?!\n)", "\n", self.text))
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        object.__setattr__(self, "line_starts", tuple(starts))

    @property
    def inclusions(self) -> tuple[Span, ...]:
        """The imports that led from the file that the user named to this one, the nearest first."""
        imports: list[Span] = []
        source: Source | None = self
        while source is not None and source.included_from is not None:
            imports.append(source.included_from)
            source = source.included_from.source
        return tuple(imports)

    def position(self, offset: int) -> tuple[int, int]:
        """Returns line and column of an offset, both counted from 1, columns in characters."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Returns the text of a line, counted from 1, without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` (included) to `end` (excluded) of a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def to(self, other: Span) -> Span:
        """Returns the span from the start of this one to the end of the other."""
        return Span(self.source, self.start, other.end)
