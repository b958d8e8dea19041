"""The language server: keeps the open texts, asks the other modules, and answers over standard input and output.

Every question is answered from the text as it is on the screen, at once: analysing a spec takes a few milliseconds.
"""

from __future__ import annotations

import logging
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from aesm_dsl.editor import lsp_types
from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.editor.code_actions import quick_fixes
from aesm_dsl.editor.complete import complete
from aesm_dsl.editor.definition import definition
from aesm_dsl.editor.hover import hover
from aesm_dsl.editor.names import collect_names
from aesm_dsl.editor.outline import outline_of
from aesm_dsl.editor.rename import CannotRenameError, renamable, rename
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import format_edits
from aesm_dsl.spec.import_file import resolve_path
from aesm_dsl.version import VERSION


class SpecServer(LanguageServer):
    """A server that keeps the analysis of every open text."""

    def __init__(self) -> None:
        # Whole texts, not changes: specs are small, and programs differ on where a line ends.
        super().__init__("aesm", VERSION, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.analyses: dict[str, Analysis] = {}

    @property
    def encoding(self) -> str:
        chosen = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        return str(chosen.value if isinstance(chosen, types.PositionEncodingKind) else chosen)

    def analysis(self, uri: str) -> Analysis:
        if uri not in self.analyses:
            document = self.workspace.get_text_document(uri)
            self.analyses[uri] = analyse(Source(to_fs_path(uri) or uri, document.source), self.texts())
        return self.analyses[uri]

    def texts(self) -> dict[Path, str]:
        """The open texts, by the path of their file. Files that import one see its text, saved or not."""
        documents = self.workspace.text_documents.values()
        opened = ((to_fs_path(document.uri), document.source) for document in documents)
        return {resolve_path(path): text for path, text in opened if path}

    def offset(self, analysis: Analysis, position: types.Position) -> int:
        return lsp_types.offset(analysis.source, position, self.encoding)

    def publish(self, uri: str, version: int | None = None) -> None:
        analysis = self.analysis(uri)
        diagnostics = lsp_types.diagnostics(analysis.source, analysis.findings, self.encoding)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    def analyse_all(self) -> None:
        """Analyses every open text again, and publishes its findings: one may import another."""
        self.analyses.clear()
        for document in list(self.workspace.text_documents.values()):
            self.publish(document.uri, document.version)


def serve() -> None:
    """Answers on standard input and output until the editor closes the connection."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_server_fault)
    make_server().start_io()


def _is_server_fault(record: logging.LogRecord) -> bool:
    """Whether a logged error is the server's own. A name that will not do is the user's: the answer says why."""
    return not (record.exc_info and isinstance(record.exc_info[1], JsonRpcInvalidParams))


def make_server() -> SpecServer:
    """Returns the language server with all its features registered."""
    server = SpecServer()
    _texts(server)
    _words(server)
    _names(server)
    _changes(server)
    return server


def _texts(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.analyse_all()

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.analyse_all()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(params.text_document.uri, []))
        server.analyse_all()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_outside(params: types.DidChangeWatchedFilesParams) -> None:
        server.analyse_all()


def _words(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        analysis = server.analysis(params.text_document.uri)
        shown = hover(analysis, server.offset(analysis, params.position))
        if shown is None:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, shown.text)
        return types.Hover(content, lsp_types.to_range(analysis.source, shown.start, shown.end, server.encoding))

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=list('=([,: ."/')),
    )
    def completed(params: types.CompletionParams) -> list[types.CompletionItem]:
        analysis = server.analysis(params.text_document.uri)
        items = complete(analysis, server.offset(analysis, params.position))
        text_document = server.client_capabilities.text_document
        completion = text_document.completion if text_document else None
        able = completion.completion_item if completion else None
        return lsp_types.completion(analysis.source, items, server.encoding, bool(able and able.snippet_support))

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return lsp_types.outline(outline_of(server.analysis(params.text_document.uri).file), server.encoding)


def _names(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def defined(params: types.DefinitionParams) -> types.Location | None:
        analysis = server.analysis(params.text_document.uri)
        span = definition(analysis, server.offset(analysis, params.position))
        return lsp_types.location(span, server.encoding) if span is not None else None

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def referred(params: types.ReferenceParams) -> list[types.Location]:
        analysis = server.analysis(params.text_document.uri)
        names = collect_names(analysis.file)
        name = names.at(server.offset(analysis, params.position))
        declared = names.declaration_of(name) if name is not None else None
        if declared is None:
            return []
        declaration = [declared.span] if params.context.include_declaration else []
        spans = [*declaration, *(use.span for use in names.uses_of(declared))]
        return [lsp_types.location(span, server.encoding) for span in spans]

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def renamed_here(params: types.PrepareRenameParams) -> types.Range | None:
        analysis = server.analysis(params.text_document.uri)
        offsets = renamable(analysis, server.offset(analysis, params.position))
        return lsp_types.to_range(analysis.source, *offsets, server.encoding) if offsets is not None else None

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def renamed(params: types.RenameParams) -> types.WorkspaceEdit:
        analysis = server.analysis(params.text_document.uri)
        try:
            edits = rename(analysis, server.offset(analysis, params.position), params.new_name)
        except CannotRenameError as error:
            raise JsonRpcInvalidParams(str(error)) from error
        return _workspace_edit(params.text_document.uri, lsp_types.text_edits(edits, server.encoding))


def _changes(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        source = server.analysis(params.text_document.uri).source
        return lsp_types.text_edits(format_edits(source), server.encoding)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    def mended(params: types.CodeActionParams) -> list[types.CodeAction]:
        analysis, uri = server.analysis(params.text_document.uri), params.text_document.uri
        source, encoding = analysis.source, server.encoding
        start, end = (server.offset(analysis, position) for position in (params.range.start, params.range.end))
        return [
            types.CodeAction(
                title=fix.title,
                kind=types.CodeActionKind.QuickFix,
                diagnostics=lsp_types.diagnostics(source, [fix.finding], encoding),
                is_preferred=fix.only,
                edit=_workspace_edit(uri, lsp_types.text_edits(fix.edits, encoding)),
            )
            for fix in quick_fixes(analysis, start, end)
        ]


def _workspace_edit(uri: str, edits: list[types.TextEdit]) -> types.WorkspaceEdit:
    return types.WorkspaceEdit(changes={uri: edits})
