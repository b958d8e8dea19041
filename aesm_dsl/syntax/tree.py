"""The syntax tree: frozen nodes, each with its span; comments are attached to the statement to which they belong."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.source import Source, Span


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment `# ...` to the end of its line; `text` includes the `#`."""

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
    """A number such as `4096 rows`, `10%` or `1M`."""

    value: int | float
    """The value with its suffix applied: `10%` is 0.1."""
    percent: bool
    unit: Word | None
    span: Span

    @property
    def digits(self) -> Span:
        """The span of the number without its unit."""
        if self.unit is None:
            return self.span
        text = self.span.source.text[self.span.start : self.unit.span.start]
        return Span(self.span.source, self.span.start, self.span.start + len(text.rstrip()))


@dataclass(frozen=True, slots=True)
class List:
    """A list `[value, ...]`."""

    items: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call: `name: value`, or a value alone."""

    name: Word | None
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """A call `name(argument, ...)`."""

    name: Word
    arguments: tuple[Argument, ...]
    span: Span


Value = Word | Text | Number | List | Call


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting `key = value`."""

    key: Word
    value: Value
    span: Span
    before: tuple[Comment, ...] = ()
    """Comments on lines of their own above it."""
    inside: tuple[Comment, ...] = ()
    """Comments within a value of several lines."""
    after: Comment | None = None
    """The comment at the end of its last line."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block `kind name "label" { statements }`; name, label and braces are each optional."""

    kind: Word
    name: Word | None
    label: Text | None
    braces: bool
    statements: tuple[Statement, ...]
    span: Span
    before: tuple[Comment, ...] = ()
    """Comments on lines of their own above it."""
    opening: Comment | None = None
    """The comment at the end of the line of its opening brace."""
    closing: tuple[Comment, ...] = ()
    """Comments between its last statement and its closing brace."""
    after: Comment | None = None
    """The comment at the end of its last line."""

    @property
    def head(self) -> Span:
        """The span of kind, name and label."""
        last = self.label or self.name or self.kind
        return self.kind.span.to(last.span)


Statement = Setting | Block


@dataclass(frozen=True, slots=True)
class File:
    """The tree of a whole source."""

    source: Source
    statements: tuple[Statement, ...]
    closing: tuple[Comment, ...] = ()
    """Comments after the last statement."""
    damaged: tuple[Span, ...] = ()
    """Places that could not be read; their text is not in the tree."""


def documentation(statement: Statement) -> str:
    """Returns the text of the `##` comments right above a statement, joined by newlines."""
    lines: list[str] = []
    for comment in statement.before:
        if comment.text.startswith("##"):
            lines.append(comment.text.lstrip("#").strip())
        else:
            lines.clear()
    return "\n".join(lines)
