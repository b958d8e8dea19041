"""Every state of the parser that can fail has a sentence, and every wrong token in every state is told in words."""

from __future__ import annotations

from collections import deque

import pytest
from lark.exceptions import UnexpectedInput
from lark.lexer import Token
from lark.parsers.lalr_interactive_parser import InteractiveParser

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.syntax.parse import parse, parser
from aesm_dsl.syntax.parse_errors import describe_state

LEXEMES = {
    "NAME": "name", "NUMBER": "12", "STRING": '"text"', "EQUAL": "=", "COLON": ":", "COMMA": ",", "SEMICOLON": ";",
    "_NEWLINE": "\n", "OPEN_BRACE": "{", "CLOSE_BRACE": "}", "OPEN_BRACKET": "[", "CLOSE_BRACKET": "]",
    "OPEN_PARENTHESIS": "(", "CLOSE_PARENTHESIS": ")",
}  # fmt: skip


def terminals(actions: dict[str, object]) -> frozenset[str]:
    return frozenset(name for name in actions if name == "$END" or name.upper() == name)


def test_every_state_has_a_sentence() -> None:
    states = parser().parse_interactive("").parser_state.parse_conf.parse_table.states
    failing = [takes for takes in map(terminals, states.values()) if takes]
    assert len(failing) > 100
    assert set().union(*failing) == {*LEXEMES, "$END"}
    for takes in failing:
        for inside in ("", "[", "("):
            where, expected = describe_state(takes, inside)
            assert where.startswith(("after ", "inside ", "where ", "at "))
            assert expected


def test_a_state_that_no_rule_knows_is_a_bug() -> None:
    with pytest.raises(KeyError):
        describe_state(frozenset({"EQUAL"}))


def prefixes() -> list[tuple[str, ...]]:
    """Short texts, as terminals, that lead to every state where the parser reads a token, by every way into it."""
    found: dict[tuple[int, ...], tuple[str, ...]] = {}
    waiting: deque[tuple[tuple[str, ...], InteractiveParser]] = deque([((), parser().parse_interactive(""))])
    while waiting:
        read, session = waiting.popleft()
        way = tuple(session.parser_state.state_stack[-3:])
        if way in found:
            continue
        found[way] = read
        for name, lexeme in LEXEMES.items():
            following = session.copy()
            try:
                following.feed_token(Token(name, lexeme))
            except UnexpectedInput:
                continue
            waiting.append(((*read, name), following))
    return list(found.values())


def test_every_wrong_token_in_every_state_is_told_in_words() -> None:
    found = prefixes()
    assert len(found) > 100
    tried = 0
    for read in found:
        for wrong in LEXEMES:
            text = " ".join(LEXEMES[one] for one in (*read, wrong))
            findings = Findings()
            parse(Source("spec.aesm", text), findings)
            tried += 1
            for item in findings:
                assert item.code.startswith("E1")
                assert item.span is not None
                assert item.label
                assert not item.message.endswith(".")
                spoken = " ".join([item.message, item.label, *item.help])
                assert not any(name in spoken for name in (set(LEXEMES) - {"NAME"}) | {"$END", "Token"}), spoken
    assert tried > 1000


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a", "a {}", "a = b", "a = [1, 2,]; b = c(d: 1,)\n"])
def test_what_is_sound_is_told_nothing(text: str) -> None:
    findings = Findings()
    parse(Source("spec.aesm", text), findings)
    assert not findings.items


def test_the_grammar_has_no_collision() -> None:
    assert parser(strict=True).parse("a = 1\n") is not None
