"""Quick fixes for findings, each tried before it is offered.

A fix is offered only if its finding disappears with it and nothing new is found, so that none can make a spec worse.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.findings.diagnostic import Diagnostic
from aesm_dsl.findings.fix import Edit, Fix, apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import FULL_WIDTH_CODE


@dataclass(frozen=True, slots=True)
class QuickFix:
    """A change that fixes a finding."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic
    only: bool
    """Whether nothing else can have been meant."""


def quick_fixes(analysis: Analysis, start: int, end: int) -> list[QuickFix]:
    """Returns the fixes of findings that touch the characters from `start` to `end`."""
    fixes: list[QuickFix] = []
    for finding in analysis.findings:
        span = finding.span
        if span is None or span.source is not analysis.source or span.start > end or span.end < start:
            continue
        candidates = (*finding.fixes, *_everywhere(analysis, finding))
        working = [fix for fix in candidates if _works(analysis, finding, fix)]
        fixes += [QuickFix(fix.title, fix.edits, finding, fix.certain and len(working) == 1) for fix in working]
    return fixes


def _everywhere(analysis: Analysis, finding: Diagnostic) -> list[Fix]:
    """One fix for the full-width punctuation on all lines, if more than one line has any."""
    here = (other for other in analysis.findings if other.span is not None and other.span.source is analysis.source)
    lines = [other for other in here if other.code == FULL_WIDTH_CODE]
    if finding.code != FULL_WIDTH_CODE or len(lines) < 2:
        return []
    edits = tuple(edit for line in lines for fix in line.fixes for edit in fix.edits)
    return [Fix("write the keys that are meant everywhere", edits)]


def _works(analysis: Analysis, finding: Diagnostic, fix: Fix) -> bool:
    """Whether the finding disappears with the edits, and nothing new is found."""
    if any(edit.span.source is not analysis.source for edit in fix.edits):
        return False
    before = Counter((finding.code, finding.message) for finding in analysis.findings)
    changed = Source(analysis.source.path, apply_edits(analysis.source.text, fix.edits))
    after = Counter((finding.code, finding.message) for finding in analyse(changed, analysis.texts).findings)
    return after < before and after[finding.code, finding.message] < before[finding.code, finding.message]
