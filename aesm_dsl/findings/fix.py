"""`Fix`: a change of the text that corrects a mistake. `HelpWithFix` is a line of help that offers fixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aesm_dsl.findings.source import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the text of a span by `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that do not overlap and are applied together."""

    title: str
    """What they do, in a few words."""
    edits: tuple[Edit, ...]
    certain: bool = True
    """Whether nothing else can have been meant, so that no person has to look at it."""


@dataclass(frozen=True, slots=True)
class HelpWithFix:
    """A line of help and the fixes that it offers; several fixes are a choice for the user."""

    line: str
    fixes: tuple[Fix, ...]


def replacement(text: str, span: Span, line: str = "", *, certain: bool = True) -> HelpWithFix:
    """Offers to replace a span by a text; without a `line`, the help says "write `text`"."""
    title = f"write `{text.strip()}`"
    return HelpWithFix(line or title, (Fix(title, (Edit(span, text),), certain),))


def replacements(texts: Sequence[str], span: Span) -> HelpWithFix:
    """Offers to replace a span by one of several texts."""
    fixes = [fix for text in texts for fix in replacement(text, span, certain=len(texts) == 1).fixes]
    return HelpWithFix("write " + join_with_or(f"`{text}`" for text in texts), tuple(fixes))


def deletion(span: Span, line: str = "delete it", *, certain: bool = True) -> HelpWithFix:
    """Offers to delete a span."""
    return HelpWithFix(line, (Fix(f"delete `{span.text}`", (Edit(span, ""),), certain),))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Returns the text with the edits applied."""
    # From the end to the start, so that the offsets of the remaining edits stay valid.
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def join_with_or(words: Iterable[str]) -> str:
    """Joins words to `a, b or c`."""
    words = list(words)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
