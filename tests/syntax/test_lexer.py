"""The lexer of one pass gives what Lark's own would, and may: the grammar has no collisions."""

from __future__ import annotations

from random import Random

import pytest
from lark import Lark, UnexpectedCharacters
from lark.lexer import BasicLexer

from aesm_dsl.syntax.parse import parser
from tests.fuzz.mutate import corpus, mutant
from tests.syntax.test_format import Scribbler


def tokens(text: str, lark: Lark) -> list[tuple[str, str, int | None, int | None]]:
    """What a lexer makes of a text, up to the first character that is nothing."""
    found: list[tuple[str, str, int | None, int | None]] = []
    try:
        found.extend(
            (token.type, str(token), token.start_pos, token.end_pos)
            for token in lark.parse_interactive(text).lexer_thread.lex(None)
        )
    except UnexpectedCharacters as error:
        found.append(("nothing", "", error.pos_in_stream, error.pos_in_stream))
    return found


@pytest.fixture(scope="module")
def basic() -> Lark:
    """The same grammar with Lark's lexer; `strict` refuses a grammar whose terminals collide."""
    grammar = parser().source_grammar
    return Lark(grammar, start="file", parser="lalr", lexer="basic", strict=True, maybe_placeholders=False)


def test_it_gives_the_tokens_of_larks_own(basic: Lark) -> None:
    assert isinstance(basic.parser.lexer, BasicLexer)
    assert not isinstance(parser().parser.lexer, BasicLexer)
    texts = [one.text for one in corpus()] + [mutant(seed).text for seed in range(300)]
    texts += [Scribbler(Random(seed)).file() for seed in range(50)]
    for text in texts:
        assert tokens(text, parser()) == tokens(text, basic)
