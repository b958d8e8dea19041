"""`Dimension`: a setting and the values that a search may give it; the block `tune` is made of them.

    tune {
      level.card.experts.count = choice(4, 8, 16)
      train.optimizer          = adam(rate: log(1e-4, 1e-2))
    }

The key is a setting's dotted path, as `--set` takes it. In its value stand `choice(...)`, one of several values, and
`int(from, to)`, `float(from, to)` and `log(from, to)`, a number between two, both included; as many as one likes.
`tune` is no part of the spec that is trained: it is taken out before the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.syntax import tree

TUNE = "tune"
"""The block."""

RANGES = ("int", "float", "log")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in a value that a search fills."""

    kind: str
    """"choice", "int", "float" or "log"."""
    options: tuple[tree.Value, ...]
    """What is chosen from; of a range its two ends."""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(option.span.text for option in self.options)

    @property
    def ends(self) -> tuple[float, float]:
        """Of a range."""
        low, high = (option.value for option in self.options if isinstance(option, tree.Number))
        return low, high


@dataclass(frozen=True, slots=True)
class Dimension:
    setting: tree.Setting

    @property
    def path(self) -> str:
        return normalize(self.setting.key.text)

    @property
    def holes(self) -> tuple[Placeholder, ...]:
        return tuple(
            Placeholder(placeholder_kind(call), tuple(one.value for one in call.arguments))
            for call in placeholder_calls(self.value)
        )

    @property
    def value(self) -> tree.Value:
        return self.setting.value

    def text(self, filled: Sequence[str]) -> str:
        """The override for texts that take the holes' places, as `--set` takes it."""
        start, source = self.value.span.start, self.value.span.source.text
        written, at = "", start
        for call, text in zip(placeholder_calls(self.value), filled, strict=True):
            written += source[at : call.span.start] + text
            at = call.span.end
        return f"{self.path} = {written}{source[at : self.value.span.end]}"

    def candidates(self) -> Iterator[tree.Setting]:
        """Overrides in which every option of every hole, and both ends of every range, stand once."""
        holes = self.holes
        for turn in range(max((len(hole.options) for hole in holes), default=0)):
            chosen = iter([hole.options[min(turn, len(hole.options) - 1)] for hole in holes])
            yield replace(self.setting, value=_filled(self.value, chosen))


def placeholder_kind(call: tree.Call) -> str:
    return normalize(call.name.text)


def placeholder_calls(value: tree.Value) -> list[tree.Call]:
    """The holes of a value, in the order in which they are written."""
    match value:
        case tree.Call() if placeholder_kind(value) in ("choice", *RANGES):
            return [value]
        case tree.Call():
            return [call for one in value.arguments for call in placeholder_calls(one.value)]
        case tree.List():
            return [call for one in value.items for call in placeholder_calls(one)]
    return []


def _filled(value: tree.Value, chosen: Iterator[tree.Value]) -> tree.Value:
    match value:
        case tree.Call() if placeholder_kind(value) in ("choice", *RANGES):
            return next(chosen)
        case tree.Call():
            parts = tuple(replace(one, value=_filled(one.value, chosen)) for one in value.arguments)
            return replace(value, arguments=parts)
        case tree.List():
            return replace(value, items=tuple(_filled(one, chosen) for one in value.items))
    return value
