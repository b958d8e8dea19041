"""Recovery: tell a mistake, take its text out with blanks, go on from the statement before it; offsets never move.

The parser runs here without building anything, from one remembered start of a statement to the next mistake, so that
many mistakes in a long file cost little more than one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lark import Lark, UnexpectedCharacters, UnexpectedToken
from lark.lexer import Token
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.blank_out import blank_statement
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.syntax.parse_errors import accepted_terminals, report_parse_error

_SETTING = re.compile(r"\w+[ \t]*=")
_BOUNDARIES = ("_NEWLINE", "SEMICOLON", "OPEN_BRACE", "CLOSE_BRACE")


@dataclass(frozen=True, slots=True)
class _Start:
    """The parser as it stood where a statement may start."""

    offset: int
    states: list[Any]
    values: list[Any]


def recover(parser: Lark, source: Source, text: str, damaged: list[Span], findings: Findings) -> str | None:
    """The text without its mistakes, which are told; None when there are too many to go on."""
    given_up: list[Span] = []
    starts, most = [_Start(0, [], [])], len(findings) + MOST_MISTAKES
    while len(findings) < most:
        try:
            _run(parser, text, starts)
            damaged += given_up
            return text
        except (UnexpectedToken, UnexpectedCharacters) as error:
            wrong = report_parse_error(error, source, text, findings)
            if any(place.start <= wrong.start < place.end for place in given_up) or wrong.end > len(source.text):
                # It follows from what was told of this statement, or of a block that was closed for its author.
                findings.items.pop()
            if (separated := _separated(text, wrong.start, error)) is not None:
                text = separated
                while starts[-1].offset >= wrong.start:
                    starts.pop()
                continue
            while starts[-1].offset > wrong.start:
                starts.pop()
            before = text
            text, changed = blank_statement(text, wrong, starts[-1].offset, given_up)
            if text == before:
                return None
            while starts[-1].offset > changed:
                starts.pop()
    return None


def _separated(text: str, place: int, error: UnexpectedToken | UnexpectedCharacters) -> str | None:
    """The text with a `;` before a statement that plainly starts here, on the line of the last one."""
    if not isinstance(error, UnexpectedToken) or error.token.type != "NAME":
        return None
    if text[place - 1 : place] not in (" ", "\t") or "SEMICOLON" not in accepted_terminals(error.state):
        return None
    if text[max(place - 200, 0) : place].rstrip(" \t").endswith("}") or _SETTING.match(text, place):
        return f"{text[: place - 1]};{text[place:]}"
    return None


def _run(parser: Lark, text: str, starts: list[_Start]) -> None:
    """Parses from the last start to the end or the next mistake; adds the starts it passes."""
    session = parser.parse_interactive(text)
    thread, table = session.lexer_thread, session.parser_state.parse_conf.parse_table
    assert thread.state is not None
    thread.state.line_ctr.char_pos = starts[-1].offset
    # Without callbacks a value is the list of its parts: nothing is built, and nothing shared is changed.
    state = ParserState(ParseConf(table, {}, "file"), thread, starts[-1].states.copy(), starts[-1].values.copy())
    token = None
    for token in thread.lex(state):  # type: ignore[no-untyped-call]
        state.feed_token(token)
        if token.type in _BOUNDARIES and _starts_statement(table.states[state.position]):
            starts.append(_Start(token.end_pos or 0, state.state_stack.copy(), state.value_stack.copy()))
    state.feed_token(Token.new_borrow_pos("$END", "", token) if token else Token("$END", "", 0, 1, 1), True)


def _starts_statement(actions: dict[str, Any]) -> bool:
    return "NAME" in actions and "NUMBER" not in actions and "COMMA" not in actions
