"""`Fix`: a change of the text that mends a finding. `Mend` is a line of help that offers one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aesm_dsl.findings.source import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands at the place becomes `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that do not overlap, made together, and what they do in a few words.

    certain  nothing else can have been meant; else a person has to look at it
    """

    title: str
    edits: tuple[Edit, ...]
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Mend:
    """A line of help and the changes that it offers: several where the user has to choose."""

    line: str
    fixes: tuple[Fix, ...]


def write(text: str, place: Span, line: str = "", *, certain: bool = True) -> Mend:
    """The help to write `text` in the place of what stands there."""
    title = f"write `{text.strip()}`"
    return Mend(line or title, (Fix(title, (Edit(place, text),), certain),))


def choose(texts: Sequence[str], place: Span) -> Mend:
    """The help to write one of the texts in the place of what stands there."""
    fixes = [fix for text in texts for fix in write(text, place, certain=len(texts) == 1).fixes]
    return Mend("write " + either(f"`{text}`" for text in texts), tuple(fixes))


def delete(place: Span, line: str = "delete it", *, certain: bool = True) -> Mend:
    """The help to delete what stands at the place."""
    return Mend(line, (Fix(f"delete `{place.text}`", (Edit(place, ""),), certain),))


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made."""
    for edit in sorted(edits, key=lambda one: one.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    words = list(words)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
