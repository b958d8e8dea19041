"""`Teller` says what is wrong with a value, unless its place was lost to a mistake that has been told already."""

from __future__ import annotations

import re
from typing import Any

from aesm_dsl.diagnostic import Findings
from aesm_dsl.source import Span
from aesm_dsl.spec.kind import Kind, describe
from aesm_dsl.syntax import tree


class Wrong(Exception):  # noqa: N818 - not an error: control flow within this room
    """The value cannot be used, and why has been told."""


class Teller:
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

    def wrong(self, code: str, message: str, span: Span, **more: Any) -> Wrong:
        """Tells why a value cannot be used; returns what the reader of the value raises."""
        self.tell(code, message, span, **more)
        return Wrong()

    def wrong_type(self, kind: Kind, value: tree.Value, what: str, help: str = "") -> Wrong:
        """Tells that the value is of another kind; returns what the reader of the value raises."""
        return self.wrong(
            "E301",
            f"`{what}` must be {describe(kind)}",
            value.span,
            label=f"this is {_seen(value)}",
            help=help,
        )


def _seen(value: tree.Value) -> str:
    match value:
        case tree.Word():
            return "a name"
        case tree.Text():
            return "a string"
        case tree.Number():
            return "a number"
        case tree.List():
            return "a list"
        case tree.Call():
            return "a call"
