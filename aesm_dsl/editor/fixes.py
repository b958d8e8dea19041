"""What a finding's help offers to write, as changes of the text: each has been tried before it is offered.

A change is offered only if its finding is gone with it and nothing new is found, so none can make a spec worse.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.diagnostic import Diagnostic, Findings
from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.editor.rename import Edit
from aesm_dsl.source import Source, Span
from aesm_dsl.spec.model import EDITION
from aesm_dsl.spec.tidy import FULL_WIDTH as WIDE_PUNCTUATION
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.characters import FULL_WIDTH, clean

_OFFER = re.compile(
    r"(?:did you mean|write|write it in quotes:|write one|a list stands in brackets:|refer by name, without quotes:"
    r'|a number has no blanks:|a date stands in quotes:|"[^"]*" is the label of|(?=`[^`]*` looks the same))'
    r" ?`(?P<text>[^`]*)`(?: or `(?P<other>[^`]*)`)?"
)
"""The words of help behind which stands what to write."""
_STRAY_BRACKET, _NO_EDITION = "E104", "W101"


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that mends a finding. `only` says that there is no other."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic
    only: bool


def fixes(analysis: Analysis, start: int, end: int) -> list[Fix]:
    """What mends the findings that touch the characters from `start` to `end`."""
    found: list[Fix] = []
    for finding in analysis.findings:
        span = finding.span
        if span is None or span.source is not analysis.source or span.start > end or span.end < start:
            continue
        tried = [one for one in dict.fromkeys(_offers(analysis, finding, span)) if _mends(analysis, finding, one[1])]
        found += [Fix(title, edits, finding, len(tried) == 1) for title, edits in tried]
    return found


def apply(text: str, edits: tuple[Edit, ...] | list[Edit]) -> str:
    """The text with the edits made; they do not overlap."""
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _offers(analysis: Analysis, finding: Diagnostic, span: Span) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    """Titles and changes to try."""
    if finding.code == WIDE_PUNCTUATION:
        yield from _keys(analysis.source, span)
    elif finding.code == _NO_EDITION:
        yield f"write `aesm = {EDITION}`", (Edit(span.start, span.start, f"aesm = {EDITION}\n\n"),)
    elif finding.code == _STRAY_BRACKET and any(line.startswith("delete it") for line in finding.help):
        yield f"delete the `{span.text}`", (Edit(span.start, span.end, ""),)
    for line in finding.help:
        if match := _OFFER.match(line):
            for text in filter(None, match.group("text", "other")):
                # A value without its unit, or with another, is told at the unit.
                for place in (span, *_values_around(analysis.file.statements, span)):
                    yield f"write `{text}`", (Edit(place.start, place.end, text),)


def _keys(source: Source, span: Span) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    """The keys that full-width punctuation stands for: on the finding's line, and in the whole text."""
    cleaned = clean(source, Findings())[0]
    wide = [at for at, one in enumerate(source.text) if FULL_WIDTH.get(one) == cleaned[at]]
    here = [at for at in wide if source.position(at)[0] == span.line]
    keys = " ".join(dict.fromkeys(cleaned[at] for at in here))
    yield f"write `{keys}` on this line", tuple(Edit(at, at + 1, cleaned[at]) for at in here)
    if len(wide) > len(here):
        yield "write the keys that are meant everywhere", tuple(Edit(at, at + 1, cleaned[at]) for at in wide)


def _values_around(statements: tuple[tree.Statement, ...], span: Span) -> Iterator[Span]:
    """The places of the numbers that a unit's place belongs to."""
    for one in statements:
        if not one.span.start <= span.start <= span.end <= one.span.end:
            continue
        pending: list[tree.Value] = []
        if isinstance(one, tree.Block):
            yield from _values_around(one.statements, span)
        else:
            pending.append(one.value)
        while pending:
            value = pending.pop()
            if isinstance(value, tree.List):
                pending += value.items
            elif isinstance(value, tree.Call):
                pending += [argument.value for argument in value.arguments]
            elif isinstance(value, tree.Number) and value.unit and value.unit.span == span:
                yield value.span


def _mends(analysis: Analysis, finding: Diagnostic, edits: tuple[Edit, ...]) -> bool:
    """Whether the finding is gone once the edits are made, and nothing is found that was not before."""
    before = Counter((one.code, one.message) for one in analysis.findings)
    changed = Source(analysis.source.path, apply(analysis.source.text, edits))
    after = Counter((one.code, one.message) for one in analyse(changed, analysis.texts).findings)
    return after < before and after[finding.code, finding.message] < before[finding.code, finding.message]
