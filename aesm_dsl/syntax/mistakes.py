"""Lark's complaint -> a finding in human words. Every state of the parser that can fail has a sentence here."""

from __future__ import annotations

from lark import UnexpectedCharacters, UnexpectedToken
from lark.lexer import Token
from lark.parsers.lalr_parser_state import ParserState

from aesm_dsl.diagnostic import Findings
from aesm_dsl.source import Source, Span

_VALUE = {"NAME", "NUMBER", "STRING", "OPEN_BRACKET"}
_STATEMENT_END = {"_NEWLINE", "SEMICOLON"}

_SYMBOLS = {
    "'": 'strings are written with `"`',
    "`": 'strings are written with `"`',
    "/": "a comment starts with `#`",
}
_SYMBOLS |= {"-": "names are letters, digits and `_`; a negative number has no blank after its `-`"}
_SYMBOLS |= {
    "$": "there are no variables; write the value itself",
    "\\": "a list or call may simply go on in the next line",
}
_SYMBOLS |= {".": "a number starts and ends with a digit (`0.5`); a dotted name has no blanks"}
_SYMBOLS |= {
    "*": "there is no arithmetic; write the value itself",
    "+": "there is no arithmetic; write the value itself",
}
_SYMBOLS |= {
    "%": "write `%` right after the number",
    "<": "write a comparison as a call, such as `above(...)`",
}
_SYMBOLS |= {">": "write a comparison as a call, such as `above(column: ..., value: ...)`"}


def situation(acceptable: frozenset[str]) -> tuple[str, str]:
    """Where the parser stands and what may follow, in words, from the terminals it would take.

    Raises KeyError for a set no rule knows; a test walks every state of the parser to see that none is left.
    """
    rules = (
        (
            {"EQUAL", "OPEN_BRACE", "STRING"} <= acceptable,
            "after a name at the start of a line",
            '`=` and a value, or the rest of a block: name, "label", `{`',
        ),
        ({"OPEN_BRACE", "STRING"} <= acceptable, "after a block's name", 'a "label", `{` or the end of the line'),
        ("OPEN_BRACE" in acceptable, "after a block's label", "`{` or the end of the line"),
        (
            {"COLON", "OPEN_PARENTHESIS"} <= acceptable,
            "after a name inside a call",
            "`:` and a value, `,` or `)`",
        ),
        ("CLOSE_BRACKET" in acceptable and acceptable >= _VALUE, "inside a list", "a value or `]`"),
        ("CLOSE_PARENTHESIS" in acceptable and acceptable >= _VALUE, "inside a call", "an argument or `)`"),
        (
            acceptable >= _VALUE,
            "where a value must stand",
            "a value: a name, a number, a string, a list or a call",
        ),
        ("OPEN_PARENTHESIS" in acceptable, "after a name", "the end of the statement, or `(` for a call"),
        (acceptable >= {"NAME", "COMMA"}, "after a number", "its unit, or the end of the value"),
        (
            {"COMMA", "CLOSE_BRACKET", "CLOSE_PARENTHESIS"} <= acceptable,
            "after a value",
            "the end of the statement, or `,` in a list or call",
        ),
        ("CLOSE_BRACKET" in acceptable, "after a value in a list", "`,` or `]`"),
        ("CLOSE_PARENTHESIS" in acceptable, "after an argument", "`,` or `)`"),
        (
            "NAME" in acceptable,
            "where a statement starts",
            "a setting `name = value` or a block `kind name { ... }`",
        ),
        (bool(acceptable & _STATEMENT_END), "after a statement", "a new line or `;`"),
        ("CLOSE_BRACE" in acceptable, "at the end of a block", "`}`"),
        ("$END" in acceptable, "after the last statement", "the end of the file"),
    )
    for applies, where, expected in rules:
        if applies:
            return where, expected
    raise KeyError(sorted(acceptable))


def acceptable(state: ParserState[Token]) -> frozenset[str]:
    """The terminals that a parser state would take."""
    actions = state.parse_conf.parse_table.states[state.position]
    return frozenset(name for name in actions if name == "$END" or name.upper() == name)


def explain(error: UnexpectedToken | UnexpectedCharacters, source: Source, text: str, findings: Findings) -> Span:
    """Adds the one finding for the complaint; returns the place of what could not be read (empty at an end)."""
    takes = acceptable(error.state)
    where, expected = situation(takes)
    if isinstance(error, UnexpectedCharacters):
        return _character(error, source, expected, findings)
    token = error.token
    if token.type in ("$END", "_NEWLINE", "SEMICOLON", "CLOSE_BRACE") and takes >= _VALUE:
        return _nothing(token, source, text, takes, expected, findings)
    end = len(source.text) if token.type == "$END" else token.start_pos or 0
    if token.type == "$END":
        last = len(text.rstrip())
        span = source.span(max(last - 1, 0), last)
        findings.add("E107", f"the file ends {where}", span, label=f"expected {expected}")
        return source.span(end, end)
    span = source.span(end, token.end_pos or end)
    shown = "the end of the line" if token.type == "_NEWLINE" else f"`{token}`"
    if token.type == "_NEWLINE":
        span = source.span(span.start, span.start)
    findings.add(
        "E107",
        f"unexpected {shown} {where}",
        span,
        label=f"expected {expected}",
        help=_hint(token, takes, source, text),
    )
    return span


def _character(error: UnexpectedCharacters, source: Source, expected: str, findings: Findings) -> Span:
    start = error.pos_in_stream or 0
    found = source.text[start]
    span = source.span(start, start + 1)
    name = f"`{found}`" if found.isprintable() else f"the invisible character U+{ord(found):04X}"
    findings.add(
        "E106",
        f"{name} is not part of the language",
        span,
        label=f"expected {expected}",
        help=_SYMBOLS.get(found, ""),
    )
    return span


def _nothing(token: Token, source: Source, text: str, takes: frozenset[str], expected: str, findings: Findings) -> Span:
    """A value is missing: the place is right after what asked for it."""
    end = len(text) if token.type == "$END" else token.start_pos or 0
    last = max(len(text[:end].rstrip()), 1)
    asked = text[last - 1]
    findings.add(
        "E108",
        f"a value is missing after `{asked}`",
        source.span(last - 1, last),
        label=f"expected {expected}",
    )
    return source.span(end, end)


def _hint(token: Token, takes: frozenset[str], source: Source, text: str) -> str:
    if token.type == "COLON" and "EQUAL" in takes:
        return "a setting is written `name = value`; `name: value` belongs inside a call's parentheses"
    if token.type == "EQUAL" and "COLON" in takes:
        return "inside a call's parentheses write `name: value`"
    if token.type == "EQUAL":
        return "two settings on one line are separated by `;`"
    if token.type == "COMMA":
        return "statements are separated by a new line or `;`, never by `,`"
    if token.type == "SEMICOLON":
        return "inside a list or call, values are separated by `,`"
    if token.type == "OPEN_BRACE" and "NAME" in takes:
        return "a block's `{` stands on the line of its kind and name"
    if "COMMA" in takes and token.type in _VALUE:
        return "is a `,` missing?"
    if token.type in ("NAME", "STRING", "NUMBER") and ("OPEN_BRACE" in takes or "EQUAL" in takes):
        return 'a block is written `kind name "label" {`, a setting `name = value`'
    return ""
