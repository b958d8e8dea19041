"""Where what a place refers to is declared: in the file itself, or in a file that it imports."""

from __future__ import annotations

from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.names import GROUP, Declared, Referred, names
from aesm_dsl.findings.source import Span
from aesm_dsl.syntax import tree


def definition(analysis: Analysis, offset: int) -> Span | None:
    """The place of the name that is meant; of an import's path, the start of its file."""
    found = names(analysis.file)
    name = found.at(offset)
    if name is not None and (declared := found.meant(name)) is not None:
        return declared.place
    if name is not None and (block := group_abroad(analysis, name)) is not None:
        return block.name.span if block.name else block.head
    for one in analysis.imports.values():
        path = one.path
        if path is not None and path.span.start <= offset <= path.span.end and one.groups is not None:
            return one.groups.file.source.span(0, 0)
    return None


def group_abroad(analysis: Analysis, name: Declared | Referred) -> tree.Block | None:
    """The feature group in another file that a name refers to."""
    if not isinstance(name, Referred) or name.noun != GROUP:
        return None
    asked = analysis.imports.get(name.within)
    return asked.groups.by_name.get(name.name) if asked is not None and asked.groups is not None else None
