"""Recovery from syntax errors: reports an error, blanks its text, and parses on from the statement before it.

Blanking keeps all offsets valid. The parser runs here without building a tree, from a saved start of a statement to the
next error, so that many errors in a long file cost little more than one.
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
    """The state of the parser at an offset where a statement may start."""

    offset: int
    states: list[Any]
    values: list[Any]


def recover(parser: Lark, source: Source, text: str, damaged: list[Span], findings: Findings) -> str | None:
    """Reports and blanks every syntax error of a text.

    Args:
        parser: the parser.
        source: the source.
        text: its text after the repairs of characters.py.
        damaged: places that could not be read; those that are blanked here are added.
        findings: receives the errors.
    Returns:
        A text that can be parsed, or None if there are too many errors.
    """
    given_up: list[Span] = []
    starts, most = [_Start(0, [], [])], len(findings) + MOST_MISTAKES
    while len(findings) < most:
        try:
            _parse_from_last_start(parser, text, starts)
            damaged += given_up
            return text
        except (UnexpectedToken, UnexpectedCharacters) as error:
            wrong = report_parse_error(error, source, text, findings)
            if any(span.start <= wrong.start < span.end for span in given_up) or wrong.end > len(source.text):
                # It follows from an error of this statement that was reported before, or from a `}` that was added.
                findings.items.pop()
            if (separated := _with_separator(text, wrong.start, error)) is not None:
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


def _with_separator(text: str, offset: int, error: UnexpectedToken | UnexpectedCharacters) -> str | None:
    """The text with a `;` before an offset, if a statement plainly starts there on the line of the one before it."""
    if not isinstance(error, UnexpectedToken) or error.token.type != "NAME":
        return None
    if text[offset - 1 : offset] not in (" ", "\t") or "SEMICOLON" not in accepted_terminals(error.state):
        return None
    if text[max(offset - 200, 0) : offset].rstrip(" \t").endswith("}") or _SETTING.match(text, offset):
        return f"{text[: offset - 1]};{text[offset:]}"
    return None


def _parse_from_last_start(parser: Lark, text: str, starts: list[_Start]) -> None:
    """Parses from the last start to the end or the next error; adds the starts that it passes."""
    session = parser.parse_interactive(text)
    thread, table = session.lexer_thread, session.parser_state.parse_conf.parse_table
    assert thread.state is not None
    thread.state.line_ctr.char_pos = starts[-1].offset
    # Without callbacks, the value of a rule is the plain list of its parts: no tree is built, and copies of the stacks
    # stay valid, because no value is changed later.
    state = ParserState(ParseConf(table, {}, "file"), thread, starts[-1].states.copy(), starts[-1].values.copy())
    token = None
    for token in thread.lex(state):  # type: ignore[no-untyped-call]
        state.feed_token(token)
        if token.type in _BOUNDARIES and _starts_statement(table.states[state.position]):
            starts.append(_Start(token.end_pos or 0, state.state_stack.copy(), state.value_stack.copy()))
    state.feed_token(Token.new_borrow_pos("$END", "", token) if token else Token("$END", "", 0, 1, 1), True)


def _starts_statement(actions: dict[str, Any]) -> bool:
    return "NAME" in actions and "NUMBER" not in actions and "COMMA" not in actions
