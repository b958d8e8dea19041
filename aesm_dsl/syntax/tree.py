"""The text's structure: frozen nodes, each with its place, comments attached to the statement they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.source import Source, Span


@dataclass(frozen=True, slots=True)
class Comment:
    """`# ...` to the end of its line; `text` includes the `#`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Word:
    """A bare name, possibly dotted: `main`, `fund.product`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string; `text` is without quotes and with escapes resolved."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """`4096 rows`, `10%`, `1M`: the value with its suffix applied (`10%` is 0.1), and the unit if one is written."""

    value: int | float
    percent: bool
    unit: Word | None
    span: Span

    @property
    def digits(self) -> Span:
        """The place of the number without its unit."""
        if self.unit is None:
            return self.span
        text = self.span.source.text[self.span.start : self.unit.span.start]
        return Span(self.span.source, self.span.start, self.span.start + len(text.rstrip()))


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """`name: value` or a value alone, inside a call."""

    name: Word | None
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`name(argument, ...)`."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span


Value = Word | Text | Number | List | Call


@dataclass(frozen=True, slots=True)
class Setting:
    """`key = value`. Comments: on lines of their own `before` it, `inside` a long value, `after` its last line."""

    key: Word
    value: Value
    span: Span
    before: tuple[Comment, ...] = ()
    inside: tuple[Comment, ...] = ()
    after: Comment | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """`kind name "label" { statements }`; name, label and braces are each optional.

    Comments: `before` it, at its `opening` brace's line, before its closing brace (`closing`), `after` its last line.
    """

    kind: Word
    name: Word | None
    label: Text | None
    braces: bool
    statements: tuple[Statement, ...]
    span: Span
    before: tuple[Comment, ...] = ()
    opening: Comment | None = None
    closing: tuple[Comment, ...] = ()
    after: Comment | None = None

    @property
    def head(self) -> Span:
        """The place of the kind, name and label."""
        last = self.label or self.name or self.kind
        return self.kind.span.to(last.span)


Statement = Setting | Block


@dataclass(frozen=True, slots=True)
class File:
    """A whole source. `closing` are comments after the last statement, `damaged` places that could not be read."""

    source: Source
    statements: tuple[Statement, ...]
    closing: tuple[Comment, ...] = ()
    damaged: tuple[Span, ...] = ()


def documentation(statement: Statement) -> str:
    """The text of the `##` comments right above a statement, joined by newlines."""
    lines: list[str] = []
    for comment in statement.before:
        if comment.text.startswith("##"):
            lines.append(comment.text.lstrip("#").strip())
        else:
            lines.clear()
    return "\n".join(lines)
