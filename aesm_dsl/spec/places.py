"""`Places`: where the values of a spec were written, by dotted path such as `level.card.experts.count`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aesm_dsl.findings.source import Span

NAMELESS = "?"
"""Takes the place of a missing name in paths."""


@dataclass(slots=True)
class BrokenPaths:
    """Paths whose value could not be used, and the paths of all that is around them."""

    paths: set[str] = field(default_factory=set)
    _around: set[str] = field(default_factory=set)

    def add(self, path: str) -> None:
        """Adds a path."""
        self.paths.add(path)
        while (path := path.rpartition(".")[0]) and path not in self._around:
            self._around.add(path)

    def update(self, paths: Iterable[str]) -> None:
        """Adds several paths."""
        for path in paths:
            self.add(path)

    def within(self, path: str) -> bool:
        """Whether something inside the path could not be used."""
        return path in self._around

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(slots=True)
class Places:
    """The places of a spec's values; reading the spec fills them.

    They never count in a comparison: two specs with the same values are equal wherever they were written.
    """

    values: dict[str, Span] = field(default_factory=dict, compare=False)
    """Maps the path of a setting or argument to its value, the path of a block to its kind, name and label."""
    keys: dict[str, Span] = field(default_factory=dict, compare=False)
    """Maps the path of a setting or argument to its key."""
    broken: BrokenPaths = field(default_factory=BrokenPaths, compare=False)
    """Paths whose value could not be used; nothing more is reported about them."""
    lost: list[Span] = field(default_factory=list, compare=False)
    """Unknown blocks; a name that occurs in one of them is not reported as unknown."""

    def of(self, path: str) -> Span | None:
        """Returns the place of a path, or of the nearest block around it; None for a spec not read from text."""
        while path:
            if path in self.values:
                return self.values[path]
            path = path.rpartition(".")[0]
        return self.values.get("")

    def is_broken(self, path: str) -> bool:
        """Whether the value at a path, or one inside it, could not be used."""
        return path in self.broken or self.broken.within(path)

    def origin(self, path: str) -> str:
        """Says where a value comes from: a flag, its line, its imported file and line, or "built in"."""
        span = self.values.get(path)
        if span is None:
            return "built in"
        if span.source.path.startswith("--"):
            return span.source.path
        return f"{span.source.path}:{span.line}" if span.source.included_from else f"line {span.line}"


def join_path(path: str, word: str) -> str:
    """Returns the path of a word inside the block at a path."""
    return f"{path}.{word}" if path else word
