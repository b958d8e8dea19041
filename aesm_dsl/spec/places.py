"""Where the values of a spec were written: a dotted path such as `level.card.experts.count` -> a `Span`."""

from __future__ import annotations

from dataclasses import dataclass, field

from aesm_dsl.findings.source import Span

NAMELESS = "?"
"""Stands in a path for the name of a thing whose name is missing."""


@dataclass(slots=True)
class Places:
    """Filled while a spec is read. `broken` are paths whose value could not be used: nothing more is told about them.

    Two specs of the same meaning are equal wherever they were written, so places never count in a comparison.
    """

    values: dict[str, Span] = field(default_factory=dict, compare=False)
    """Path of a setting or argument -> its value; of a block -> its kind, name and label."""
    keys: dict[str, Span] = field(default_factory=dict, compare=False)
    """Path of a setting or argument -> its key."""
    broken: set[str] = field(default_factory=set, compare=False)
    lost: list[Span] = field(default_factory=list, compare=False)
    """Blocks that could not be understood: a name that stands in one is not called unknown."""

    def of(self, path: str) -> Span | None:
        """The place of a path, or of the nearest block around it that was written."""
        while path:
            if path in self.values:
                return self.values[path]
            path = path.rpartition(".")[0]
        return self.values.get("")

    def is_broken(self, path: str) -> bool:
        """Whether the value at the path, or something inside it, could not be used."""
        return any(one == path or one.startswith(f"{path}.") for one in self.broken)

    def origin(self, path: str) -> str:
        """Who set the value: a flag, the place in the file or in an imported one, or "built in"."""
        span = self.values.get(path)
        if span is None:
            return "built in"
        if span.source.path.startswith("--"):
            return span.source.path
        return f"{span.source.path}:{span.line}" if span.source.included_from else f"line {span.line}"


def join_path(path: str, word: str) -> str:
    """The path of a word inside a path."""
    return f"{path}.{word}" if path else word
