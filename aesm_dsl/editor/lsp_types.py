"""Positions and answers in the types of the Language Server Protocol, and back.

The protocol counts lines from 0, and columns in units of an encoding that client and server agree on: UTF-16 unless the
client prefers another, so that an emoji takes two columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path

from aesm_dsl.editor.complete import Completion
from aesm_dsl.editor.outline import OutlineEntry
from aesm_dsl.findings.diagnostic import Diagnostic
from aesm_dsl.findings.fix import Edit
from aesm_dsl.findings.source import Source, Span

_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
"""Encoding -> bytes of one of its units."""

_COMPLETION_KINDS = {
    "setting": types.CompletionItemKind.Property,
    "block": types.CompletionItemKind.Struct,
    "argument": types.CompletionItemKind.Field,
    "call": types.CompletionItemKind.Function,
    "word": types.CompletionItemKind.EnumMember,
    "unit": types.CompletionItemKind.Unit,
    "value": types.CompletionItemKind.Value,
    "file": types.CompletionItemKind.File,
    "import": types.CompletionItemKind.Module,
}

_SYMBOL_KINDS = {
    "model": types.SymbolKind.Module,
    "import": types.SymbolKind.Package,
    "features": types.SymbolKind.Namespace,
    "feature": types.SymbolKind.Field,
    "level": types.SymbolKind.Enum,
    "node": types.SymbolKind.EnumMember,
    "tasks": types.SymbolKind.Interface,
    "task": types.SymbolKind.Event,
}


def position(source: Source, offset: int, encoding: str) -> types.Position:
    """Returns the position of an offset, in the units of the encoding that client and server agreed on."""
    line, column = source.position(offset)
    start = source.line_starts[line - 1]
    return types.Position(line - 1, _units(source.text[start : start + column - 1], encoding))


def offset(source: Source, position: types.Position, encoding: str) -> int:
    """Returns the offset of a position; one behind the end of a line or of the text counts as the end."""
    if position.line >= len(source.line_starts):
        return len(source.text)
    start, left = source.line_starts[position.line], position.character
    for at, character in enumerate(source.line(position.line + 1), start):
        if left <= 0:
            return at
        left -= _units(character, encoding)
    return start + len(source.line(position.line + 1))


def _units(text: str, encoding: str) -> int:
    return len(text.encode(f"{encoding}-le" if encoding != "utf-8" else encoding, "surrogatepass")) // _BYTES[encoding]


def to_range(source: Source, start: int, end: int, encoding: str) -> types.Range:
    """Returns the range between two offsets."""
    return types.Range(position(source, start, encoding), position(source, end, encoding))


def span_range(span: Span, encoding: str) -> types.Range:
    """Returns the range of a span."""
    return to_range(span.source, span.start, span.end, encoding)


def uri_of(source: Source) -> str:
    """Returns the URI of a source. The path of a document without a file is a URI already."""
    path = source.path
    return path if "://" in path or path.startswith("untitled:") else str(from_fs_path(str(Path(path).absolute())))


def location(span: Span, encoding: str) -> types.Location:
    """Returns the location of a span: the URI of its source, and its range."""
    return types.Location(uri_of(span.source), span_range(span, encoding))


def diagnostics(source: Source, findings: Iterable[Diagnostic], encoding: str) -> list[types.Diagnostic]:
    """Returns findings as they show in a text. A finding in an imported file shows at the import, and points there."""
    return [_diagnostic(source, finding, encoding) for finding in findings]


def _diagnostic(source: Source, finding: Diagnostic, encoding: str) -> types.Diagnostic:
    span = finding.span or source.span(0, 0)
    sentence = finding.message
    related = [(finding.second.span, finding.second.label)] if finding.second is not None else []
    if span.source is not source:
        related.insert(0, (span, finding.label or finding.message))
        sentence = f"{span.source.path}: {sentence}"
        span = next((at for at in span.source.inclusions if at.source is source), source.span(0, 0))
    elif finding.label:
        sentence = f"{sentence}: {finding.label}"
    return types.Diagnostic(
        range=span_range(span, encoding),
        message="\n".join([sentence, *(f"help: {line}" for line in finding.help)]),
        severity=types.DiagnosticSeverity.Error if finding.severity == "error" else types.DiagnosticSeverity.Warning,
        code=finding.code,
        source="aesm",
        related_information=[
            types.DiagnosticRelatedInformation(location(span, encoding), label) for span, label in related
        ]
        or None,
    )


def text_edits(edits: Iterable[Edit], encoding: str) -> list[types.TextEdit]:
    """Returns edits as the protocol has them."""
    return [types.TextEdit(span_range(edit.span, encoding), edit.text) for edit in edits]


def completion(
    source: Source, items: Iterable[Completion], encoding: str, snippets: bool
) -> list[types.CompletionItem]:
    """Returns completion items, in order. Without `snippets` the cursor goes behind the inserted text."""
    return [
        types.CompletionItem(
            label=item.label,
            kind=_COMPLETION_KINDS.get(item.kind, types.CompletionItemKind.Reference),
            detail=item.detail or None,
            documentation=item.help or None,
            sort_text=f"{order:03}",
            # A unit is inserted with a blank before it; what is typed must be compared with the unit itself.
            filter_text=item.label,
            insert_text_format=types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText,
            text_edit=types.TextEdit(
                to_range(source, item.start, item.end, encoding),
                item.insert if snippets else item.insert.replace("$0", ""),
            ),
        )
        for order, item in enumerate(items)
    ]


def outline(entries: Iterable[OutlineEntry], encoding: str) -> list[types.DocumentSymbol]:
    """Returns the entries of an outline as document symbols."""
    return [
        types.DocumentSymbol(
            name=entry.name,
            detail=entry.detail or None,
            kind=_SYMBOL_KINDS.get(entry.kind, types.SymbolKind.Object),
            range=span_range(entry.whole, encoding),
            selection_range=span_range(entry.head, encoding),
            children=outline(entry.inside, encoding),
        )
        for entry in entries
    ]
