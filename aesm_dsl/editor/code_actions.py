"""What findings offer to mend, each tried before it is offered.

A change is offered only if its finding is gone with it and nothing new is found, so none can make a spec worse.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.findings.diagnostic import Diagnostic
from aesm_dsl.findings.fix import Edit, Fix, apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import FULL_WIDTH


@dataclass(frozen=True, slots=True)
class Offer:
    """A change that mends a finding. `only` says that nothing else can have been meant."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic
    only: bool


def offers(analysis: Analysis, start: int, end: int) -> list[Offer]:
    """What mends the findings that touch the characters from `start` to `end`."""
    found: list[Offer] = []
    for finding in analysis.findings:
        span = finding.span
        if span is None or span.source is not analysis.source or span.start > end or span.end < start:
            continue
        tried = [fix for fix in (*finding.fixes, *_everywhere(analysis, finding)) if _mends(analysis, finding, fix)]
        found += [Offer(fix.title, fix.edits, finding, fix.certain and len(tried) == 1) for fix in tried]
    return found


def _everywhere(analysis: Analysis, finding: Diagnostic) -> list[Fix]:
    """The keys that full-width punctuation stands for, on all lines, where more than one has any."""
    here = (one for one in analysis.findings if one.span is not None and one.span.source is analysis.source)
    lines = [one for one in here if one.code == FULL_WIDTH]
    if finding.code != FULL_WIDTH or len(lines) < 2:
        return []
    edits = tuple(edit for one in lines for fix in one.fixes for edit in fix.edits)
    return [Fix("write the keys that are meant everywhere", edits)]


def _mends(analysis: Analysis, finding: Diagnostic, fix: Fix) -> bool:
    """Whether the finding is gone once the edits are made, and nothing is found that was not before."""
    if any(edit.span.source is not analysis.source for edit in fix.edits):
        return False
    before = Counter((one.code, one.message) for one in analysis.findings)
    changed = Source(analysis.source.path, apply_edits(analysis.source.text, fix.edits))
    after = Counter((one.code, one.message) for one in analyse(changed, analysis.texts).findings)
    return after < before and after[finding.code, finding.message] < before[finding.code, finding.message]
