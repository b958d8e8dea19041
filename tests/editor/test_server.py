"""A whole conversation with `aesm lsp` over standard input and output, as an editor has it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from aesm_dsl.findings.fix import Edit, apply_edits
from aesm_dsl.findings.source import Source
from tests.conftest import PROJECT
from tests.editor.texts import SHOP, changed

COMMAND = ["-c", "from aesm_dsl.cli.main import main; main()", "lsp", "--stdio"]
PATIENCE_S = 60
"""How long an answer may take before the test gives up: it never takes that long, however busy the machine is."""


@dataclass
class Editor:
    """An editor with one document, as far as a test needs it."""

    client: LanguageClient
    published: asyncio.Queue[types.PublishDiagnosticsParams]
    uri: str
    text: str = ""
    version: int = 0

    async def open(self, text: str) -> list[types.Diagnostic]:
        self.text, self.version = text, 1
        document = types.TextDocumentItem(self.uri, "aesm", 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return await self.findings()

    async def type(self, text: str) -> list[types.Diagnostic]:
        self.text, self.version = text, self.version + 1
        change = types.TextDocumentContentChangeWholeDocument(text)
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        return await self.findings()

    async def findings(self) -> list[types.Diagnostic]:
        """The next findings that are told of the document."""
        told = await asyncio.wait_for(self.published.get(), PATIENCE_S)
        assert (told.uri, told.version) == (self.uri, self.version)
        return list(told.diagnostics)

    @property
    def document(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    def place(self, words: str, further: int = 0) -> types.Position:
        """Where the words stand, in UTF-16."""
        before = self.text[: self.text.index(words) + further]
        line = before.rpartition("\n")[2]
        return types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)

    def words(self, found: types.Range) -> str:
        """The text of a range."""
        return self.text[self.offset(found.start) : self.offset(found.end)]

    def offset(self, place: types.Position) -> int:
        line = self.text.split("\n")[place.line]
        inside = len(line.encode("utf-16-le")[: 2 * place.character].decode("utf-16-le"))
        return sum(len(one) + 1 for one in self.text.split("\n")[: place.line]) + inside

    def edited(self, edits: Any) -> str:
        source = Source("x.aesm", self.text)
        places = [source.span(self.offset(one.range.start), self.offset(one.range.end)) for one in edits]
        return apply_edits(self.text, map(Edit, places, [one.new_text for one in edits]))


def converse(talk: Callable[[Editor], Awaitable[None]], path: Path, encodings: list[str] | None = None) -> str:
    """Starts a server, talks to it as an editor would, ends it; what it said on standard error."""

    async def whole() -> str:
        client = LanguageClient("test", "1")
        published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def told(params: types.PublishDiagnosticsParams) -> None:
            published.put_nowait(params)

        await client.start_io(sys.executable, *COMMAND, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        item = types.ClientCompletionItemOptions(snippet_support=True)
        document = types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(completion_item=item),
            rename=types.RenameClientCapabilities(prepare_support=True),
        )
        able = types.ClientCapabilities(general=general if encodings else None, text_document=document)
        await asyncio.wait_for(client.initialize_async(types.InitializeParams(able)), PATIENCE_S)
        client.initialized(types.InitializedParams())
        try:
            await asyncio.wait_for(talk(Editor(client, published, path.as_uri())), PATIENCE_S)
        finally:
            await client.shutdown_async(None)
            client.exit(None)
            await client.stop()
        assert client._server is not None
        assert client._server.stderr is not None
        assert client._server.returncode == 0
        return (await client._server.stderr.read()).decode()

    return asyncio.run(whole())


def test_a_session(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        client, document = editor.client, editor.document

        # A mistake behind an emoji and Chinese text: the place is right in UTF-16.
        mistaken = changed('node home "首页"', 'node home "🙂首页" { vaule = "h" }')
        (finding,) = await editor.open(mistaken)
        assert (finding.code, finding.severity, finding.source) == ("E202", types.DiagnosticSeverity.Error, "aesm")
        assert editor.words(finding.range) == "vaule"
        assert "did you mean `value`?" in finding.message

        # The quick fix mends it.
        context = types.CodeActionContext([finding])
        actions = await client.text_document_code_action_async(types.CodeActionParams(document, finding.range, context))
        assert actions
        (action,) = actions
        assert isinstance(action, types.CodeAction)
        assert (action.title, action.is_preferred) == ("write `value`", True)
        assert action.edit is not None
        assert action.edit.changes is not None
        assert await editor.type(editor.edited(action.edit.changes[editor.uri])) == []

        # Two places that disagree are both shown.
        (twice,) = await editor.type(changed("    batch  = 512 rows", "    batch = 1 rows\n    batch = 512 rows"))
        assert twice.related_information is not None
        assert twice.related_information[0].location.uri == editor.uri
        assert await editor.type(SHOP) == []

        about = types.HoverParams(document, editor.place("after = click", 9))
        hover = await client.text_document_hover_async(about)
        assert hover is not None
        assert isinstance(hover.contents, types.MarkupContent)
        assert "task **click**" in hover.contents.value
        assert hover.range is not None
        assert editor.words(hover.range) == "click"
        nothing = types.HoverParams(document, editor.place("## Everything", 4))
        assert await client.text_document_hover_async(nothing) is None

        declared = await client.text_document_definition_async(
            types.DefinitionParams(document, editor.place("[home, cart]", 8))
        )
        assert isinstance(declared, types.Location)
        assert declared.range.start == editor.place("cart        {")

        uses = await client.text_document_references_async(
            types.ReferenceParams(types.ReferenceContext(True), document, editor.place("node home", 6))
        )
        assert uses is not None
        assert [editor.words(one.range) for one in uses] == ["home", "home", "home"]
        assert uses[1].range.start == editor.place("[home", 1)

        outline = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
        assert outline
        assert [one.name for one in outline[0].children or ()] == ["user", "experts", "page", "card", "tasks", "train"]

        # Renaming keeps what the name meant.
        here = editor.place("node fund", 6)
        prepared = await client.text_document_prepare_rename_async(types.PrepareRenameParams(document, here))
        assert isinstance(prepared, types.Range)
        assert editor.words(prepared) == "fund"
        renamed = await client.text_document_rename_async(types.RenameParams(document, here, "基金"))
        assert renamed is not None
        assert renamed.changes is not None
        assert 'node 基金 { value = "fund" }' in editor.edited(renamed.changes[editor.uri])
        with pytest.raises(Exception, match="there is a node called `bond` in level `card` already"):
            await client.text_document_rename_async(types.RenameParams(document, here, "bond"))

        # Half typed: completion knows where it is, and formatting leaves the text alone.
        findings = await editor.type(changed("after = click }", "after = }"))
        assert [one.code for one in findings] == ["E108"]
        items = await client.text_document_completion_async(
            types.CompletionParams(document, editor.place("after = ", 8))
        )
        assert isinstance(items, list | tuple)
        assert [one.label for one in items] == ["none", "click"]
        layout = types.DocumentFormattingParams(document, types.FormattingOptions(2, True))
        assert not await client.text_document_formatting_async(layout)

        await editor.type(changed("  tasks {", "    tasks {"))
        edits = await client.text_document_formatting_async(layout)
        assert edits is not None
        assert editor.edited(edits) == SHOP

        # Closed: nothing is told of it any more.
        client.text_document_did_close(types.DidCloseTextDocumentParams(document))
        told = await asyncio.wait_for(editor.published.get(), PATIENCE_S)
        assert (told.uri, list(told.diagnostics)) == (editor.uri, [])

    said = converse(talk, tmp_path / "店.aesm")
    assert said == ""


def test_an_editor_that_counts_characters(tmp_path: Path) -> None:
    async def talk(editor: Editor) -> None:
        line = '    node home "🙂首页" { vaule = "h" }'
        (finding,) = await editor.open(changed('    node home "首页"', line))
        assert finding.range.start.character == line.index("vaule")

    converse(talk, tmp_path / "shop.aesm", ["utf-32", "utf-16"])


def test_neither_torch_nor_polars_is_loaded() -> None:
    code = "import sys, aesm_dsl.cli.main, aesm_dsl.editor.server; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert not {"torch", "polars", "numpy", "pygraphviz"} & set(loaded.stdout.split())


def test_without_the_extra_one_sentence_says_what_to_install() -> None:
    code = "import sys; sys.modules['pygls'] = None; from aesm_dsl.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "lsp"], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == 'error: `aesm lsp` needs pygls; install it with `pip install "aesm-dsl[editor]"`\n'
