"""The outline of a spec: its blocks, with what they declare inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.findings.source import Span
from aesm_dsl.syntax import tree


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A block, or a feature."""

    name: str
    kind: str
    """The word of the block, or `feature`."""
    detail: str
    head: Span
    """Its head or key."""
    whole: Span
    """The whole statement."""
    inside: tuple[OutlineEntry, ...] = ()


def outline_of(file: tree.File) -> list[OutlineEntry]:
    """Returns the outline in the order of the text: blocks and features, without settings."""
    return list(_entries(file.statements, ""))


def _entries(statements: tuple[tree.Statement, ...], around: str) -> Iterator[OutlineEntry]:
    for statement in statements:
        if isinstance(statement, tree.Block):
            name = statement.name.text if statement.name else statement.kind.text
            detail = statement.label.text if statement.label else statement.kind.text if statement.name else ""
            inside = tuple(_entries(statement.statements, statement.kind.text))
            yield OutlineEntry(name, statement.kind.text, detail, statement.head, statement.span, inside)
        elif around == "features":
            value = statement.value.span.text.split("\n")[0]
            yield OutlineEntry(statement.key.text, "feature", value, statement.key.span, statement.span)
