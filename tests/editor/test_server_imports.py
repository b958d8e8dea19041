"""A conversation with `aesm lsp` about a spec and the file it imports, both open."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lsprotocol import types

from tests.editor.test_imports import FUND, SHOP
from tests.editor.test_server import PATIENCE_S, Editor, converse


async def told_next(editor: Editor, documents: int) -> dict[str, list[types.Diagnostic]]:
    """What is told next of each of the open documents, by its URI."""
    told = [await asyncio.wait_for(editor.published.get(), PATIENCE_S) for _ in range(documents)]
    assert len({one.uri for one in told}) == documents
    return {one.uri: list(one.diagnostics) for one in told}


def test_a_spec_and_what_it_imports(tmp_path: Path) -> None:
    fund = tmp_path / "shared" / "fund.aesm"
    fund.parent.mkdir()
    fund.write_text(FUND, encoding="utf-8")

    async def talk(editor: Editor) -> None:
        client, document = editor.client, editor.document
        assert await editor.open(SHOP) == []

        # Into the file: the group, and the file itself.
        for words, inside, line in (("fund.product", 7, 3), ("shared/fund", 3, 0)):
            place = types.DefinitionParams(document, editor.place(words, inside))
            found = await client.text_document_definition_async(place)
            assert isinstance(found, types.Location)
            assert (found.uri, found.range.start.line) == (fund.as_uri(), line)

        about = await client.text_document_hover_async(types.HoverParams(document, editor.place("fund.product", 7)))
        assert about is not None
        assert isinstance(about.contents, types.MarkupContent)
        assert "What is sold." in about.contents.value

        # A path half typed: the file is told as missing, and offered.
        (missing,) = await editor.type(SHOP.replace("shared/fund.aesm", "sha"))
        assert (missing.code, editor.words(missing.range)) == ("E212", '"sha"')
        items = await client.text_document_completion_async(types.CompletionParams(document, editor.place("sha", 3)))
        assert isinstance(items, list | tuple)
        (item,) = items
        assert (item.label, item.kind) == ("shared/fund.aesm", types.CompletionItemKind.File)
        assert isinstance(item.text_edit, types.TextEdit)
        assert await editor.type(editor.edited([item.text_edit])) == []

        # The file is opened and damaged, not saved: both are told, the spec at its import.
        wrong = FUND.replace("number(quantiles: 8)", "nubmer()")
        opened = types.TextDocumentItem(fund.as_uri(), "aesm", 1, wrong)
        client.text_document_did_open(types.DidOpenTextDocumentParams(opened))
        told = await told_next(editor, 2)
        (here,), (there,) = told[editor.uri], told[fund.as_uri()]
        assert here.code == there.code == "E210"
        assert editor.words(here.range) == '"shared/fund.aesm"'
        assert here.related_information
        assert here.related_information[0].location == types.Location(fund.as_uri(), there.range)

        # Mended on the screen, so for the spec, too.
        change = types.TextDocumentContentChangeWholeDocument(FUND)
        version = types.VersionedTextDocumentIdentifier(2, fund.as_uri())
        client.text_document_did_change(types.DidChangeTextDocumentParams(version, [change]))
        assert await told_next(editor, 2) == {editor.uri: [], fund.as_uri(): []}

        # Closed: the file on the disk counts again.
        fund.write_text(wrong, encoding="utf-8")
        client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(fund.as_uri())))
        closed = await told_next(editor, 2)
        assert closed[fund.as_uri()] == []
        assert [one.code for one in closed[editor.uri]] == ["E210"]

    assert converse(talk, tmp_path / "shop.aesm") == ""
