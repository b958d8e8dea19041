"""Places as the protocol counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from aesm_dsl.editor import lsp_types
from aesm_dsl.findings.diagnostic import Diagnostic, Related
from aesm_dsl.findings.source import Source

ENCODINGS = ("utf-8", "utf-16", "utf-32")
TEXT = 'node a "首🙂页" # x\r\n\tb'


@pytest.mark.parametrize(
    ("character", "expected"),
    [("首", (8, 8, 8)), ("🙂", (11, 9, 9)), ("页", (15, 11, 10)), ("#", (20, 14, 13))],
)
def test_columns_in_every_encoding(character: str, expected: tuple[int, int, int]) -> None:
    source = Source("x.aesm", TEXT)
    for encoding, column in zip(ENCODINGS, expected, strict=True):
        assert lsp_types.position(source, TEXT.index(character), encoding) == types.Position(0, column)


@given(st.text(alphabet='a首🙂"\n\r\t é', max_size=30), st.sampled_from(ENCODINGS), st.data())
def test_there_and_back(text: str, encoding: str, data: st.DataObject) -> None:
    source = Source("x.aesm", text)
    offset = data.draw(st.integers(0, len(text)))
    found = lsp_types.position(source, offset, encoding)
    between = source.text[offset - 1 : offset + 1] == "\r\n"
    expected = offset - between  # nothing stands between the two characters of a line end
    assert lsp_types.offset(source, found, encoding) == expected


def test_a_place_that_is_not_there_is_the_nearest() -> None:
    source = Source("x.aesm", "ab\ncd")
    assert lsp_types.offset(source, types.Position(0, 99), "utf-16") == 2
    assert lsp_types.offset(source, types.Position(9, 0), "utf-16") == 5
    # Half an emoji is the whole of it.
    assert lsp_types.offset(Source("x.aesm", "🙂"), types.Position(0, 1), "utf-16") == 1


def test_a_finding_with_two_places() -> None:
    source = Source("/specs/x.aesm", "a = 1\n🙂 a = 2\n")
    second = Related(source.span(0, 1), "first here")
    finding = Diagnostic("E205", "`a` is set twice", source.span(8, 9), "again", ("delete one",), second)
    (found,) = lsp_types.diagnostics(source, [finding], "utf-16")
    assert (found.code, found.source, found.severity) == ("E205", "aesm", types.DiagnosticSeverity.Error)
    assert found.message == "`a` is set twice: again\nhelp: delete one"
    assert found.range == types.Range(types.Position(1, 3), types.Position(1, 4))
    assert found.related_information is not None
    (other,) = found.related_information
    assert other.message == "first here"
    assert other.location.uri == "file:///specs/x.aesm"
    assert other.location.range.end == types.Position(0, 1)


def test_a_finding_of_an_imported_file_shows_at_its_import() -> None:
    asking = Source("/specs/x.aesm", 'import f "f.aesm"\n')
    imported = Source("/specs/f.aesm", "\n  wrong\n", included_from=asking.span(9, 17))
    (found,) = lsp_types.diagnostics(asking, [Diagnostic("W999", "odd", imported.span(3, 8), "here")], "utf-16")
    assert found.severity == types.DiagnosticSeverity.Warning
    assert found.range == types.Range(types.Position(0, 9), types.Position(0, 17))
    assert found.message == "/specs/f.aesm: odd"
    assert found.related_information is not None
    assert found.related_information[0].location.uri == "file:///specs/f.aesm"
    assert found.related_information[0].location.range.start == types.Position(1, 2)


def test_a_document_that_no_file_has() -> None:
    assert lsp_types.uri_of(Source("untitled:Untitled-1", "")) == "untitled:Untitled-1"
    assert lsp_types.uri_of(Source("/a b/基金.aesm", "")) == "file:///a%20b/%E5%9F%BA%E9%87%91.aesm"
