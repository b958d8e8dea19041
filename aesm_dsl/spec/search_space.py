"""`Dimension`: a setting and the values that a search may give it; the block `tune` consists of dimensions.

    tune {
      level.card.experts.count = choice(4, 8, 16)
      train.optimizer          = adam(rate: log(1e-4, 1e-2))
    }

The key is the dotted path of a setting, as `--set` takes it. Its value has any number of placeholders: `choice(...)`,
one of several values, and `int(from, to)`, `float(from, to)` and `log(from, to)`, a number between two, both included.
`tune` is no part of the spec that is trained: it is taken out before the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.syntax import tree

TUNE = "tune"
"""Name of the block."""

RANGES = ("int", "float", "log")
"""Placeholders for a number between two."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a value that a search fills."""

    kind: str
    """"choice", "int", "float" or "log"."""
    options: tuple[tree.Value, ...]
    """What to choose from; for a range its two ends."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The options as they are written."""
        return tuple(option.span.text for option in self.options)

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends of a range."""
        low, high = (option.value for option in self.options if isinstance(option, tree.Number))
        return low, high


@dataclass(frozen=True, slots=True)
class Dimension:
    """One setting of the search space."""

    setting: tree.Setting

    @property
    def path(self) -> str:
        """Dotted path of the setting."""
        return normalize(self.setting.key.text)

    @property
    def holes(self) -> tuple[Placeholder, ...]:
        """The placeholders in the value, in the order in which they are written."""
        return tuple(
            Placeholder(placeholder_kind(call), tuple(argument.value for argument in call.arguments))
            for call in placeholder_calls(self.value)
        )

    @property
    def value(self) -> tree.Value:
        """The value, with its placeholders."""
        return self.setting.value

    def text(self, filled: Sequence[str]) -> str:
        """Returns the override with these texts in the place of the placeholders, as `--set` takes it."""
        start, source = self.value.span.start, self.value.span.source.text
        written, at = "", start
        for call, text in zip(placeholder_calls(self.value), filled, strict=True):
            written += source[at : call.span.start] + text
            at = call.span.end
        return f"{self.path} = {written}{source[at : self.value.span.end]}"

    def candidates(self) -> Iterator[tree.Setting]:
        """Yields overrides that together have every option of every placeholder, and both ends of every range."""
        holes = self.holes
        for turn in range(max((len(hole.options) for hole in holes), default=0)):
            chosen = iter([hole.options[min(turn, len(hole.options) - 1)] for hole in holes])
            yield replace(self.setting, value=_filled(self.value, chosen))


def placeholder_kind(call: tree.Call) -> str:
    """Returns the name of a call, which says what kind of placeholder it is."""
    return normalize(call.name.text)


def placeholder_calls(value: tree.Value) -> list[tree.Call]:
    """Returns the placeholders in a value, in the order in which they are written."""
    match value:
        case tree.Call() if placeholder_kind(value) in ("choice", *RANGES):
            return [value]
        case tree.Call():
            return [call for argument in value.arguments for call in placeholder_calls(argument.value)]
        case tree.List():
            return [call for item in value.items for call in placeholder_calls(item)]
    return []


def _filled(value: tree.Value, chosen: Iterator[tree.Value]) -> tree.Value:
    """The value with the next chosen value in the place of each placeholder."""
    match value:
        case tree.Call() if placeholder_kind(value) in ("choice", *RANGES):
            return next(chosen)
        case tree.Call():
            parts = tuple(replace(argument, value=_filled(argument.value, chosen)) for argument in value.arguments)
            return replace(value, arguments=parts)
        case tree.List():
            return replace(value, items=tuple(_filled(item, chosen) for item in value.items))
    return value
