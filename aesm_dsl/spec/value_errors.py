"""`SpecReporter` says what is wrong with a value, unless its place was lost to a mistake that has been told already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aesm_dsl.findings.diagnostic import Findings, Help
from aesm_dsl.findings.fix import replacement
from aesm_dsl.findings.source import Span
from aesm_dsl.spec import kinds
from aesm_dsl.spec.kinds import Kind, describe
from aesm_dsl.syntax import tree


class InvalidValue(Exception):  # noqa: N818 - not an error: control flow within this room
    """The value cannot be used, and why has been told."""


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """What a value is read for.

    name     how sentences call it: the word of a setting or argument in backticks, or `each value of` it
    path     where it stands in the spec
    kind     all that it may be
    example  how it may be written, if that can be said
    """

    name: str
    path: str
    kind: Kind
    example: str = ""

    @property
    def hint(self) -> str:
        """A line of help for whoever wrote something else."""
        return f"for example `{self.example}`" if self.example else f"write {describe(self.kind)}"

    def item(self, kind: Kind) -> ExpectedValue:
        """What each value of this list is read for."""
        return replace(self, name=f"each value of {self.name}", kind=kind)


class SpecReporter:
    """Adds findings about a text of which some places are damaged."""

    def __init__(self, findings: Findings, damaged: tuple[Span, ...]) -> None:
        self.findings = findings
        self.damaged = damaged

    def lost(self, span: Span) -> bool:
        """Whether the text at the place was damaged by a mistake that has been told already."""
        return any(one.source is span.source and one.start < span.end and span.start < one.end for one in self.damaged)

    def lost_words(self, span: Span) -> set[str]:
        """The words in the damaged text within the place."""
        inside = (one for one in self.damaged if one.source is span.source)
        inside = (one for one in inside if one.start < span.end and span.start < one.end)
        return {word for one in inside for word in re.findall(r"\w+", one.text)}

    def tell(self, code: str, message: str, span: Span, **more: Any) -> None:
        """Adds a finding, unless its place is damaged."""
        if not self.lost(span):
            self.findings.add(code, message, span, **more)

    def wrong(self, code: str, message: str, span: Span, **more: Any) -> InvalidValue:
        """Tells why a value cannot be used; returns what the reader of the value raises."""
        self.tell(code, message, span, **more)
        return InvalidValue()

    def wrong_type(self, value: tree.Value, asked: ExpectedValue, help: Help | Sequence[Help] = "") -> InvalidValue:
        """Tells that the value is of another kind; returns what the reader of the value raises."""
        return self.wrong(
            "E301",
            f"{asked.name} must be {describe(asked.kind)}",
            value.span,
            label=f"this is {describe_value(value)}",
            help=help or _bare(value, asked) or asked.hint,
        )


def _bare(value: tree.Value, asked: ExpectedValue) -> Help:
    """The value without the quotes or brackets that do not belong around it."""
    if isinstance(value, tree.Text) and _fits(asked.kind, value.text):
        return replacement(value.text, value.span, f"write it without quotes: `{value.text}`")
    if isinstance(value, tree.List) and len(value.items) == 1 and _fits(asked.kind, value.items[0].span.text):
        inner = value.items[0].span.text
        return replacement(inner, value.span, f"write it without brackets: `{inner}`")
    return ""


def _fits(kind: Kind, text: str) -> bool:
    """Whether a bare text is plainly of the kind."""
    match kind:
        case kinds.IntegerKind() | kinds.RealKind() | kinds.ShareKind():
            return re.fullmatch(r"[+-]?\d[\d_]*(\.\d+)?(e[+-]?\d+)?%?", text) is not None
        case kinds.ReferenceKind():
            return text.isidentifier()
        case kinds.ChoiceKind(words):
            return text in words
        case kinds.CallKind(models):
            return text in [model.call_name() for model in models]
        case kinds.AutoKind(of):
            return text == "auto" or _fits(of, text)
        case kinds.OptionalKind(of):
            return text == "none" or _fits(of, text)
    return False


def accepts(kind: Any, value: tree.Value) -> bool:
    """Whether a value is, on the outside, of a kind."""
    match kind:
        case kinds.AutoKind(of) | kinds.OptionalKind(of):
            return accepts(of, value)
        case kinds.EitherKind(options):
            return any(accepts(one, value) for one in options)
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
        case kinds.ReferenceKind():
            return isinstance(value, tree.Word)
        case kinds.CallKind(models):
            name = value.name if isinstance(value, tree.Call) else value
            return isinstance(name, tree.Word) and name.text in [model.call_name() for model in models]
    return False


def describe_value(value: tree.Value) -> str:
    """What a value is, in words."""
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
