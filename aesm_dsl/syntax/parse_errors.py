"""Lark's complaint -> a finding in human words. Every state of the parser that can fail has a sentence here.

What to do about a token is in hint.py, characters that no token has are in signs.py.
"""

from __future__ import annotations

import re

from lark import UnexpectedCharacters, UnexpectedToken
from lark.lexer import Token
from lark.parsers.lalr_parser_state import ParserState

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.hint import VALUE, earlier_mistake, help_for_token
from aesm_dsl.syntax.stray_characters import report_stray_character

_STATEMENT_END = {"_NEWLINE", "SEMICOLON"}


def describe_state(accepted_terminals: frozenset[str], inside: str = "") -> tuple[str, str]:
    """Where the parser stands and what may follow, in words, from the terminals it would take.

    inside  the innermost open bracket of the statement, `[`, `(` or none

    Raises KeyError for a set no rule knows; a test walks every state of the parser to see that none is left.
    """
    ending = {"[": "`,` or `]`", "(": "`,` or `)`"}.get(inside, "the end of the line")
    rules = (
        (
            {"EQUAL", "OPEN_BRACE", "STRING"} <= accepted_terminals,
            "after a name at the start of a line",
            '`=` and a value, or the rest of a block: name, "label", `{`',
        ),
        (
            {"OPEN_BRACE", "STRING"} <= accepted_terminals,
            "after a block's name",
            'a "label", `{` or the end of the line',
        ),
        ("OPEN_BRACE" in accepted_terminals, "after a block's label", "`{` or the end of the line"),
        (
            {"COLON", "OPEN_PARENTHESIS"} <= accepted_terminals,
            "after a name inside a call",
            "`:` and a value, `,` or `)`",
        ),
        ("CLOSE_BRACKET" in accepted_terminals and accepted_terminals >= VALUE, "inside a list", "a value or `]`"),
        (
            "CLOSE_PARENTHESIS" in accepted_terminals and accepted_terminals >= VALUE,
            "inside a call",
            "an argument or `)`",
        ),
        (
            accepted_terminals >= VALUE,
            "where a value must stand",
            "a value: a name, a number, a string, a list or a call",
        ),
        ("OPEN_PARENTHESIS" in accepted_terminals, "after a name", f"`(` for a call, or {ending}"),
        (
            accepted_terminals >= {"NAME", "COMMA"},
            "after a number",
            ending if inside else "a unit or the end of the line",
        ),
        ({"COMMA", "CLOSE_BRACKET", "CLOSE_PARENTHESIS"} <= accepted_terminals, "after a value", ending),
        ("CLOSE_BRACKET" in accepted_terminals, "after a value in a list", "`,` or `]`"),
        ("CLOSE_PARENTHESIS" in accepted_terminals, "after an argument", "`,` or `)`"),
        (
            "NAME" in accepted_terminals,
            "where a statement starts",
            "a setting `name = value` or a block `kind name { ... }`",
        ),
        (bool(accepted_terminals & _STATEMENT_END), "after a statement", "a new line or `;`"),
        ("CLOSE_BRACE" in accepted_terminals, "at the end of a block", "`}`"),
        ("$END" in accepted_terminals, "after the last statement", "the end of the file"),
    )
    for applies, where, expected in rules:
        if applies:
            return where, expected
    raise KeyError(sorted(accepted_terminals))


def accepted_terminals(state: ParserState[Token]) -> frozenset[str]:
    """The terminals that a parser state would take."""
    actions = state.parse_conf.parse_table.states[state.position]
    return frozenset(name for name in actions if name == "$END" or name.upper() == name)


def report_parse_error(
    error: UnexpectedToken | UnexpectedCharacters, source: Source, text: str, findings: Findings
) -> Span:
    """Adds the one finding for the complaint; returns the place of what could not be read (empty at an end)."""
    takes = accepted_terminals(error.state)
    inside = _inside(error.state)
    where, expected = describe_state(takes, inside)
    if isinstance(error, UnexpectedCharacters):
        return report_stray_character(source, error.pos_in_stream or 0, where, expected, findings)
    token = error.token
    asked = text[: len(text) if token.type == "$END" else token.start_pos].rstrip()[-1:]
    closes = ("$END", "_NEWLINE", "SEMICOLON", "CLOSE_BRACE", "COMMA", "CLOSE_PARENTHESIS", "CLOSE_BRACKET")
    if token.type in closes and asked in ("=", ":") and takes >= VALUE:
        return _nothing(token, source, text, takes, expected, findings)
    end = len(source.text) if token.type == "$END" else token.start_pos or 0
    if token.type == "$END":
        last = len(text.rstrip())
        span = source.span(max(last - 1, 0), last)
        help = "finish the statement, or delete it"
        findings.add("E107", f"the file ends {where}", span, label=f"expected {expected}", help=help)
        return source.span(end, end)
    span = source.span(end, token.end_pos or end)
    if other := earlier_mistake(token, takes, span, text, inside):
        findings.add("E107", other.message, other.span, label=other.label, help=other.help)
        return span
    shown = "the end of the line" if token.type == "_NEWLINE" else f"`{token}`"
    if token.type == "_NEWLINE":
        span = source.span(span.start, span.start)
    findings.add(
        "E107",
        f"unexpected {shown} {where}",
        span,
        label=f"expected {expected}",
        help=help_for_token(token, takes, span, text, inside),
    )
    return span


def _nothing(token: Token, source: Source, text: str, takes: frozenset[str], expected: str, findings: Findings) -> Span:
    """A value is missing: the place is right after what asked for it."""
    end = len(text) if token.type == "$END" else token.start_pos or 0
    last = max(len(text[:end].rstrip()), 1)
    asked = text[last - 1]
    key = re.search(r"\w[\w.]*\s*\Z", text[max(last - 201, 0) : last - 1])
    written = f"{key.group()}{asked}" if key else asked
    findings.add(
        "E108",
        f"a value is missing after `{asked}`",
        source.span(last - 1, last),
        label=f"expected {expected}",
        help=f"write a value, or delete `{written}`",
    )
    return source.span(end, end)


def _inside(state: ParserState[Token]) -> str:
    """The innermost bracket that the statement has open."""
    brackets = ("OPEN_BRACE", "OPEN_BRACKET", "OPEN_PARENTHESIS")
    last = next((one for one in reversed(state.value_stack) if isinstance(one, Token) and one.type in brackets), "")
    return "" if last == "{" else str(last)
