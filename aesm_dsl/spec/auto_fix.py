"""Source -> its text with every mistake fixed whose correction is certain. What `aesm fmt --fix` calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.fix import Fix, apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.load import load

MOST_FIXES, _MOST_BEHIND = 200, 4
"""Most fixes in one go, and most that one of them may uncover; a text that needs more is no spec."""

AppliedFix = tuple[Diagnostic, Fix]
"""A finding, and the change that fixed it."""


def apply_certain_fixes(source: Source) -> tuple[Source, list[AppliedFix]]:
    """Returns the text with all certain fixes applied, and the fixes, in order.

    A fix is kept only if its finding disappears and nothing new is found, or what is new can be fixed in the same way.
    """
    done: list[AppliedFix] = []
    findings = _findings_of(source)
    while len(done) < MOST_FIXES:
        steps = (_fix_one(source, findings, finding) for finding in findings)
        step = next((step for step in steps if step is not None), None)
        if step is None:
            break
        source, findings = step[0], step[1]
        done += step[2]
    return source, done


def _fix_one(
    source: Source, before: Sequence[Diagnostic], first: Diagnostic
) -> tuple[Source, list[Diagnostic], list[AppliedFix]] | None:
    """The text with one finding fixed, and with what that uncovered; None if a fix is not certain, or does not help."""
    known = Counter(map(_key, before))
    done: list[AppliedFix] = []
    finding: Diagnostic | None = first
    while finding is not None and len(done) <= _MOST_BEHIND and (fix := _certain_fix(finding, source)) is not None:
        source = Source(source.path, apply_edits(source.text, fix.edits))
        after = _findings_of(source)
        if Counter(map(_key, after))[_key(finding)] >= known[_key(finding)] > 0:
            return None
        done.append((finding, fix))
        new = Counter(map(_key, after)) - known
        if not new:
            return source, after, done
        finding = next(other for other in after if _key(other) in new)
    return None


def _findings_of(source: Source) -> list[Diagnostic]:
    findings = Findings()
    load(source, findings, groups=True)
    return findings.sorted()


def _key(finding: Diagnostic) -> tuple[str, str]:
    return finding.code, finding.message


def _certain_fix(finding: Diagnostic, source: Source) -> Fix | None:
    """The only fix of a finding, if it is certain and changes this text alone."""
    fixes = finding.fixes
    if len(fixes) != 1 or not fixes[0].certain or any(edit.span.source is not source for edit in fixes[0].edits):
        return None
    return fixes[0]
