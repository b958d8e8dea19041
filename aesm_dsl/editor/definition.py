"""Go to definition: where a name is declared, in the file itself or in one that it imports."""

from __future__ import annotations

from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.names import GROUP, Declaration, NameUse, collect_names
from aesm_dsl.findings.source import Span
from aesm_dsl.syntax import tree


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Returns where the name at an offset is declared; for the path of an import, the start of its file."""
    names = collect_names(analysis.file)
    name = names.at(offset)
    if name is not None and (declared := names.declaration_of(name)) is not None:
        return declared.span
    if name is not None and (block := imported_group(analysis, name)) is not None:
        return block.name.span if block.name else block.head
    for imported in analysis.imports.values():
        path = imported.path
        if path is not None and path.span.start <= offset <= path.span.end and imported.groups is not None:
            return imported.groups.file.source.span(0, 0)
    return None


def imported_group(analysis: Analysis, name: Declaration | NameUse) -> tree.Block | None:
    """Returns the feature group in another file that a name refers to; None if it refers to none."""
    if not isinstance(name, NameUse) or name.noun != GROUP:
        return None
    imported = analysis.imports.get(name.within)
    groups = imported.groups if imported is not None else None
    return groups.by_name.get(name.name) if groups is not None else None
