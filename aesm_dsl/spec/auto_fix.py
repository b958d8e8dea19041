"""Source -> its text with every mistake mended of which it is certain what was meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.fix import Fix, apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.load import load

_MOST, _MOST_BEHIND = 200, 4
"""Changes made in one go, and those that one of them may bring to light; a text that needs more is not a spec."""

AppliedFix = tuple[Diagnostic, Fix]
"""A finding as it was told, and the change that mended it."""


def apply_certain_fixes(source: Source) -> tuple[Source, list[AppliedFix]]:
    """The text with what is certain mended, and what was done, in order.

    A change is kept only if its finding is gone with it and nothing new is found, or that can be mended just as well.
    """
    done: list[AppliedFix] = []
    findings = _told(source)
    while len(done) < _MOST:
        steps = (_step(source, findings, one) for one in findings)
        step = next((one for one in steps if one is not None), None)
        if step is None:
            break
        source, findings = step[0], step[1]
        done += step[2]
    return source, done


def _step(
    source: Source, before: Sequence[Diagnostic], first: Diagnostic
) -> tuple[Source, list[Diagnostic], list[AppliedFix]] | None:
    """The text with one finding mended, and what that brought to light; None where it is not certain or no better."""
    known = Counter(map(_said, before))
    done: list[AppliedFix] = []
    finding: Diagnostic | None = first
    while finding is not None and len(done) <= _MOST_BEHIND and (fix := _certain(finding, source)) is not None:
        source = Source(source.path, apply_edits(source.text, fix.edits))
        after = _told(source)
        if Counter(map(_said, after))[_said(finding)] >= known[_said(finding)] > 0:
            return None
        done.append((finding, fix))
        new = Counter(map(_said, after)) - known
        if not new:
            return source, after, done
        finding = next(one for one in after if _said(one) in new)
    return None


def _told(source: Source) -> list[Diagnostic]:
    findings = Findings()
    load(source, findings, groups=True)
    return findings.sorted()


def _said(finding: Diagnostic) -> tuple[str, str]:
    return finding.code, finding.message


def _certain(finding: Diagnostic, source: Source) -> Fix | None:
    """The one change of this text that mends a finding, if there is no other."""
    fixes = finding.fixes
    if len(fixes) != 1 or not fixes[0].certain or any(edit.span.source is not source for edit in fixes[0].edits):
        return None
    return fixes[0]
