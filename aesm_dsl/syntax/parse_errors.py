"""Turns the parser's errors into findings; every state of the parser in which it can fail has a sentence here.

Help for tokens is in hint.py; stray_characters.py reports characters with which no token starts.
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
_ENDS_VALUE = ("$END", "_NEWLINE", "SEMICOLON", "CLOSE_BRACE", "COMMA", "CLOSE_PARENTHESIS", "CLOSE_BRACKET")
"""Terminals that may follow a value."""


def describe_state(takes: frozenset[str], inside: str = "") -> tuple[str, str]:
    """Describes a state of the parser.

    Args:
        takes: the terminals that the state accepts.
        inside: the innermost open bracket of the statement, `[`, `(` or empty.
    Returns:
        Where the parser is, and what may follow there, in words.
    Raises:
        KeyError: no sentence fits; a test checks that this happens in no state.
    """
    ending = {"[": "`,` or `]`", "(": "`,` or `)`"}.get(inside, "the end of the line")
    rules = (
        (
            {"EQUAL", "OPEN_BRACE", "STRING"} <= takes,
            "after a name at the start of a line",
            '`=` and a value, or the rest of a block: name, "label", `{`',
        ),
        (
            {"OPEN_BRACE", "STRING"} <= takes,
            "after a block's name",
            'a "label", `{` or the end of the line',
        ),
        ("OPEN_BRACE" in takes, "after a block's label", "`{` or the end of the line"),
        (
            {"COLON", "OPEN_PARENTHESIS"} <= takes,
            "after a name inside a call",
            "`:` and a value, `,` or `)`",
        ),
        ("CLOSE_BRACKET" in takes and takes >= VALUE, "inside a list", "a value or `]`"),
        (
            "CLOSE_PARENTHESIS" in takes and takes >= VALUE,
            "inside a call",
            "an argument or `)`",
        ),
        (
            takes >= VALUE,
            "where a value must stand",
            "a value: a name, a number, a string, a list or a call",
        ),
        ("OPEN_PARENTHESIS" in takes, "after a name", f"`(` for a call, or {ending}"),
        (
            takes >= {"NAME", "COMMA"},
            "after a number",
            ending if inside else "a unit or the end of the line",
        ),
        ({"COMMA", "CLOSE_BRACKET", "CLOSE_PARENTHESIS"} <= takes, "after a value", ending),
        ("CLOSE_BRACKET" in takes, "after a value in a list", "`,` or `]`"),
        ("CLOSE_PARENTHESIS" in takes, "after an argument", "`,` or `)`"),
        (
            "NAME" in takes,
            "where a statement starts",
            "a setting `name = value` or a block `kind name { ... }`",
        ),
        (bool(takes & _STATEMENT_END), "after a statement", "a new line or `;`"),
        ("CLOSE_BRACE" in takes, "at the end of a block", "`}`"),
        ("$END" in takes, "after the last statement", "the end of the file"),
    )
    for applies, where, expected in rules:
        if applies:
            return where, expected
    raise KeyError(sorted(takes))


def accepted_terminals(state: ParserState[Token]) -> frozenset[str]:
    """Returns the terminals that a parser state accepts."""
    actions = state.parse_conf.parse_table.states[state.position]
    return frozenset(name for name in actions if name == "$END" or name.upper() == name)


def report_parse_error(
    error: UnexpectedToken | UnexpectedCharacters, source: Source, text: str, findings: Findings
) -> Span:
    """Reports one error of the parser as one finding.

    Args:
        error: the error.
        source: the source.
        text: the text as it was parsed, after repairs.
        findings: receives the finding.
    Returns:
        The span that could not be parsed; it is empty at the end of the file.
    """
    takes = accepted_terminals(error.state)
    inside = _innermost_bracket(error.state)
    where, expected = describe_state(takes, inside)
    if isinstance(error, UnexpectedCharacters):
        return report_stray_character(source, error.pos_in_stream or 0, where, expected, findings)
    token = error.token
    end = len(source.text) if token.type == "$END" else token.start_pos or 0
    before = text[: len(text) if token.type == "$END" else end].rstrip()
    if token.type in _ENDS_VALUE and before[-1:] in ("=", ":") and takes >= VALUE:
        _report_missing_value(source, before, expected, findings)
        return source.span(len(text), len(text)) if token.type == "$END" else source.span(end, end)
    if token.type == "$END":
        last = len(text.rstrip())
        span = source.span(max(last - 1, 0), last)
        help = "finish the statement, or delete it"
        findings.add("E107", f"the file ends {where}", span, label=f"expected {expected}", help=help)
        return source.span(end, end)
    span = source.span(end, token.end_pos or end)
    if earlier := earlier_mistake(token, span, text, inside):
        findings.add("E107", earlier.message, earlier.span, label=earlier.label, help=earlier.help)
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


def _report_missing_value(source: Source, before: str, expected: str, findings: Findings) -> None:
    """Reports a missing value after the `=` or `:` that ends the text `before` it."""
    end, sign = len(before), before[-1]
    key = re.search(r"\w[\w.]*\s*\Z", before[max(end - 201, 0) : end - 1])
    written = f"{key.group()}{sign}" if key else sign
    findings.add(
        "E108",
        f"a value is missing after `{sign}`",
        source.span(end - 1, end),
        label=f"expected {expected}",
        help=f"write a value, or delete `{written}`",
    )


def _innermost_bracket(state: ParserState[Token]) -> str:
    """The innermost open bracket of the statement: `[`, `(` or empty."""
    openers = ("OPEN_BRACE", "OPEN_BRACKET", "OPEN_PARENTHESIS")
    last = next((item for item in reversed(state.value_stack) if isinstance(item, Token) and item.type in openers), "")
    return "" if last == "{" else str(last)
