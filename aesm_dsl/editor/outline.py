"""The outline of a spec: its blocks, with what they declare inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.findings.source import Span
from aesm_dsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Symbol:
    """`kind` is the block's word, or `feature`; `place` is the head or key, `whole` the statement."""

    name: str
    kind: str
    detail: str
    place: Span
    whole: Span
    inside: tuple[Symbol, ...] = ()


def symbols(file: tree.File) -> list[Symbol]:
    """The outline, in the order of the text; settings are left out, features are not."""
    return list(_symbols(file.statements, ""))


def _symbols(statements: tuple[tree.Statement, ...], around: str) -> Iterator[Symbol]:
    for one in statements:
        if isinstance(one, tree.Block):
            name = one.name.text if one.name else one.kind.text
            detail = one.label.text if one.label else one.kind.text if one.name else ""
            inside = tuple(_symbols(one.statements, one.kind.text))
            yield Symbol(name, one.kind.text, detail, one.head, one.span, inside)
        elif around == "features":
            yield Symbol(one.key.text, "feature", one.value.span.text.split("\n")[0], one.key.span, one.span)
