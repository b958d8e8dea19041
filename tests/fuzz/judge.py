"""Mutant -> faults: what aesm itself does wrong with it. Whatever a mutant says, these hold:

- no traceback, and an end within a time that grows with the text no faster than the text;
- a sound spec, or at least one error; every finding has a known code and a place inside the text;
- every renderer prints every finding: each on a line of its own where the form says so, JSON that reads back, no
  control characters, text that can be written as UTF-8;
- sound syntax has one layout, which is stable, says the same, and is checked with the same result.
"""

from __future__ import annotations

import json
import re
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from aesm_dsl.findings.codes import pages
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.render import FORMATS, render
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.format_text import format_text, structure
from aesm_dsl.spec.load import load
from aesm_dsl.spec.spec_file import read_source
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.syntax.parse import parse
from tests.fuzz.mutate import Mutant

_MOST_SECONDS = 15
_MOST_SECONDS_A_BYTE = 1.5e-4
"""Of computing, for all that is done with a mutant: it is read about ten times. Far above what it takes, far below
what anything quadratic would."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def faults(mutant: Mutant) -> list[str]:
    """What is wrong with aesm, one line or traceback each; empty when nothing is."""
    try:
        with _limit(_MOST_SECONDS + _MOST_SECONDS_A_BYTE * len(mutant.content)):
            return list(_faults(mutant))
    except TimeoutError:
        return [f"too slow for {len(mutant.content)} bytes:\n{traceback.format_exc()}"]
    except Exception:
        return [traceback.format_exc()]


def _faults(mutant: Mutant) -> Iterator[str]:
    source = _read(mutant)
    if isinstance(source, str):
        yield from [source] if source else []
        return
    findings, sound = _check(source)
    yield from _findings(findings, source)
    if sound != (not findings.errors):
        yield f"{'sound' if sound else 'not sound'} with {len(findings.errors)} errors"
    yield from _renderers(findings)
    if source.path.endswith(".aesm"):
        yield from _layout(source, findings)


def _read(mutant: Mutant) -> Source | str:
    """The text as aesm reads it from a file; of bytes that are no text the fault, if there is one."""
    try:
        return Source(mutant.path, mutant.content.decode("utf-8"))
    except UnicodeDecodeError:
        with tempfile.TemporaryDirectory() as folder:
            path, findings = Path(folder) / Path(mutant.path).name, Findings()
            path.write_bytes(mutant.content)
            source = read_source(path, findings)
        return "" if source is None and [one.code for one in findings] == ["E110"] else "read, and is not UTF-8"


def _check(source: Source) -> tuple[Findings, bool]:
    findings = Findings()
    spec = load(source, findings)
    return findings, spec is not None and compile_loaded(spec, findings) is not None


def _findings(findings: Findings, source: Source) -> Iterator[str]:
    seen: set[tuple[str, str, str, int]] = set()
    for item in findings:
        if item.code not in pages():
            yield f"the code {item.code} is not known"
        if not item.message or item.message[0].isspace():
            yield f"{item.code} has no message: {item!r}"
        if item.span is None:
            yield f"{item.code} has no place: {item.message}"
        elif (again := (item.code, item.message, item.span.source.path, item.span.start)) in seen:
            yield f"told twice: {again}"
        else:
            seen.add(again)
        for span in [item.span, item.second.span if item.second else None]:
            if span is not None and not _inside(span, source):
                yield f"{item.code} lies outside the text, at {span.start} to {span.end} of {len(source.text)}"


def _inside(span: Span, source: Source) -> bool:
    """Whether the place lies in the text, or in the text of a file that it imports."""
    imported = span.source.inclusions and span.source.inclusions[-1].source.text == source.text
    return (imported or span.source.text == source.text) and 0 <= span.start <= span.end <= len(span.source.text)


def _renderers(findings: Findings) -> Iterator[str]:
    for form in FORMATS:
        shown = render(findings, form)
        shown.encode()
        if form == "json":
            if [one["code"] for one in json.loads(shown)] != [one.code for one in findings.sorted()]:
                yield "not every finding is in the JSON"
            continue
        if found := _CONTROL.search(shown):
            yield f"{form} prints U+{ord(found.group()):04X}"
        if form != "full" and shown.count("\n") != len(findings):
            yield f"{form} has {shown.count(chr(10))} lines for {len(findings)} findings"


def _layout(source: Source, findings: Findings) -> Iterator[str]:
    syntax = Findings()
    file = parse(source, syntax)
    text = format_text(source, Findings())
    if (text is None) != bool(syntax.errors):
        yield f"{'not ' * (text is None)}formatted with {len(syntax.errors)} errors of syntax"
    if text is None:
        edits = [edit for one in syntax if one.code == "E102" for fix in one.fixes for edit in fix.edits]
        mended = format_text(Source(source.path, apply_edits(source.text, edits)), Findings())
        if mended is None or {one.code for one in syntax} != {"E102"} or len(syntax) == MOST_MISTAKES:
            return
        text = mended
    laid_out = Source(source.path, text)
    if format_text(laid_out, Findings()) != text:
        yield "the layout is not stable"
    again = parse(laid_out, Findings())
    stated = len(again.statements) - len(file.statements)
    if not syntax.errors and list(map(structure, again.statements))[stated:] != list(map(structure, file.statements)):
        yield "the layout says something else"
    # What is left of a text with look-alikes is checked as if they were right, but not compiled.
    told = (_load(source), _load(laid_out)) if syntax.errors else (findings, _check(laid_out)[0])
    before, after = (Counter(one.code for one in each) for each in told)
    # The layout states the edition and has no look-alikes; beside those, that a file has no model is not told.
    for code in ("W101", *(("E102", "E307") if syntax.errors else ())):
        before.pop(code, None)
        after.pop(code, None)
    if before != after:
        yield f"checked, the layout gives {dict(after)}, the text {dict(before)}"


def _load(source: Source) -> Findings:
    findings = Findings()
    load(source, findings)
    return findings


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after so many seconds of computing, however busy the machine."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
