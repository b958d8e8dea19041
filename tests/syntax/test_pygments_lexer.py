"""The lexer for Pygments keeps every character, and tells what each word is from its place alone."""

from __future__ import annotations

import pytest
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, String, Token

from aesm_dsl.syntax.pygments_lexer import AesmLexer
from tests.conftest import PROJECT

SPECS = sorted((PROJECT / "specs").rglob("*.aesm"))


def coloured(text: str) -> list[tuple[object, str]]:
    return [(kind, word) for kind, word in AesmLexer(ensurenl=False, stripnl=False).get_tokens(text) if word.strip()]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_a_spec_keeps_every_character(path) -> None:
    text = path.read_text(encoding="utf-8")
    tokens = list(AesmLexer(ensurenl=False, stripnl=False).get_tokens(text))
    assert "".join(word for _, word in tokens) == text
    assert Token.Error not in {kind for kind, _ in tokens}


def test_a_word_is_what_its_place_makes_it() -> None:
    text = 'level card "卡片" { under = page  # where\n  rows = number(quantiles: 16); size = [4 rows, auto] }\n'
    text += "use = a.b\n"
    kinds = {word: kind for kind, word in coloured(text)}
    assert kinds["level"] is Keyword.Declaration
    assert kinds["card"] is Name.Class
    assert kinds['"卡片"'] is String.Double
    assert {kinds["under"], kinds["size"], kinds["use"]} == {Name.Attribute}
    assert {kinds["page"], kinds["auto"], kinds["a.b"]} == {Name.Constant}
    assert kinds["# where"] is Comment.Single
    assert kinds["number"] is Name.Function
    assert kinds["quantiles"] is Name.Variable
    assert (Number, "16") in coloured(text)
    assert (Keyword.Type, "rows") in coloured(text)


def test_pygments_finds_it_by_name() -> None:
    assert isinstance(get_lexer_by_name("aesm"), AesmLexer)
