"""Formatting: what `aesm fmt` would write, as edits of the lines that change."""

from __future__ import annotations

import difflib

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.fix import Edit
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import format_text


def format_edits(source: Source) -> list[Edit]:
    """Returns the lines that change, in order. A text with syntax errors is never rewritten, and gives none."""
    text = format_text(source, Findings())
    if text is None:
        return []
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [
        Edit(source.span(starts[first], starts[last]), "".join(after[new:end]))
        for tag, first, last, new, end in matcher.get_opcodes()
        if tag != "equal"
    ]
