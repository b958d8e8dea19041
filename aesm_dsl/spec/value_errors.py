"""`SpecReporter`: reports mistakes in values, except where the text was damaged by a syntax error reported before."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from aesm_dsl.findings.diagnostic import Findings, Help
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.kinds import Kind, describe
from aesm_dsl.syntax import tree


class InvalidValue(Exception):  # noqa: N818 - not an error: control flow within this package
    """A value cannot be used, and the reason has been reported."""


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """What is expected at a place: for messages about the value that is written there."""

    name: str
    """The subject of messages: the word of a setting or argument in backticks, or `each value of` it."""
    path: str
    """Its dotted path in the spec."""
    kind: Kind
    """The whole kind; readers go down into its parts."""
    example: str = ""
    """How it may be written, if the default shows it."""

    @property
    def hint(self) -> str:
        """A line of help that says what to write."""
        return f"for example `{self.example}`" if self.example else f"write {describe(self.kind)}"

    def item(self, kind: Kind) -> ExpectedValue:
        """Returns what is expected of each value of a list."""
        return replace(self, name=f"each value of {self.name}", kind=kind)


class SpecReporter:
    """Adds findings about a text in which some places are damaged."""

    def __init__(self, findings: Findings, damaged: tuple[Span, ...]) -> None:
        self.findings = findings
        self._damaged: dict[int, list[Span]] = {}
        """The id of a source -> its damaged places in the order of their starts."""
        for place in sorted(damaged, key=lambda place: place.start):
            self._damaged.setdefault(id(place.source), []).append(place)
        self._ends = {source: [*accumulate((p.end for p in places), max)] for source, places in self._damaged.items()}
        """The id of a source -> for each of its places, where the last one so far ends."""

    def is_lost(self, span: Span) -> bool:
        """Whether a place overlaps text that a syntax error damaged; that error has been reported."""
        return next(self._damaged_within(span), None) is not None

    def lost_words(self, span: Span) -> set[str]:
        """Returns the words of the damaged text within a place."""
        return {word for damaged in self._damaged_within(span) for word in re.findall(r"\w+", damaged.text)}

    def _damaged_within(self, span: Span) -> Iterator[Span]:
        places, ends = self._damaged.get(id(span.source), []), self._ends.get(id(span.source), [])
        last = bisect_left(places, span.end, key=lambda place: place.start) - 1
        while last >= 0 and ends[last] > span.start:
            if places[last].end > span.start:
                yield places[last]
            last -= 1

    def report(self, code: str, message: str, span: Span, **details: Any) -> None:
        """Adds a finding, unless its place is damaged; the arguments are those of `Findings.add`."""
        if not self.is_lost(span):
            self.findings.add(code, message, span, **details)

    def invalid(self, code: str, message: str, span: Span, **details: Any) -> InvalidValue:
        """Reports why a value cannot be used; returns the exception for its reader to raise."""
        self.report(code, message, span, **details)
        return InvalidValue()

    def wrong_type(self, value: tree.Value, expected: ExpectedValue, help: Help | Sequence[Help] = "") -> InvalidValue:
        """Reports that a value is of another kind (E301); returns the exception for its reader to raise."""
        return self.invalid(
            "E301",
            f"{expected.name} must be {describe(expected.kind)}",
            value.span,
            label=f"this is {describe_value(value)}",
            help=help or _without_delimiters(value, expected) or expected.hint,
        )


def _without_delimiters(value: tree.Value, expected: ExpectedValue) -> Help:
    """Help to write a value without quotes or brackets, if it is then of the expected kind."""
    if isinstance(value, tree.Text) and _fits(expected.kind, value.text):
        return replacement(value.text, value.span, f"write it without quotes: `{value.text}`")
    if isinstance(value, tree.List) and len(value.items) == 1 and _fits(expected.kind, value.items[0].span.text):
        item = value.items[0].span.text
        return replacement(item, value.span, f"write it without brackets: `{item}`")
    return ""


def _fits(kind: Kind, text: str) -> bool:
    """Whether a bare text is plainly a value of a kind."""
    match kind:
        case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
            return re.fullmatch(r"[+-]?\d[\d_]*(\.\d+)?(e[+-]?\d+)?%?", text) is not None
        case kinds.ReferenceKind():
            return text.isidentifier()
        case kinds.ChoiceKind(words):
            return text in words
        case kinds.SwitchKind():
            return text in kind.words
        case kinds.CallKind(models):
            return text in [model.call_name() for model in models]
        case kinds.AutoKind(of):
            return text == "auto" or _fits(of, text)
        case kinds.OptionalKind(of):
            return text == "none" or _fits(of, text)
    return False


def accepts(kind: Any, value: tree.Value) -> bool:
    """Whether a value looks like one of a kind; ranges and arguments of calls are not checked."""
    match kind:
        case kinds.AutoKind(of) | kinds.OptionalKind(of):
            return accepts(of, value)
        case kinds.EitherKind(options):
            return any(accepts(option, value) for option in options)
        case kinds.IntegerKind():
            return isinstance(value, tree.Number) and not value.percent and float(value.value).is_integer()
        case kinds.RealKind() | kinds.ShareKind():
            return isinstance(value, tree.Number) and not value.unit
        case kinds.QuantityKind(units):
            return isinstance(value, tree.Number) and value.unit is not None and value.unit.text in units
        case kinds.ListKind():
            return isinstance(value, tree.List)
        case kinds.TextKind():
            return isinstance(value, tree.Text)
        case kinds.LiteralKind():
            return isinstance(value, tree.Text | tree.Number)
        case kinds.NameKind():
            return isinstance(value, tree.Word | tree.Text)
        case kinds.ChoiceKind(words):
            return isinstance(value, tree.Word) and value.text in words
        case kinds.SwitchKind():
            return isinstance(value, tree.Word) and value.text in kind.words
        case kinds.ReferenceKind():
            return isinstance(value, tree.Word)
        case kinds.CallKind(models):
            name = value.name if isinstance(value, tree.Call) else value
            return isinstance(name, tree.Word) and name.text in [model.call_name() for model in models]
    return False


def describe_value(value: tree.Value) -> str:
    """Describes in words what a value is."""
    match value:
        case tree.Word():
            return "a name"
        case tree.Text():
            return "a string"
        case tree.Number(unit=tree.Word()):
            return "a number with a unit"
        case tree.Number():
            return "a number"
        case tree.List():
            return "a list"
        case tree.Call():
            return "a call"
