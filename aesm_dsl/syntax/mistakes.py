"""Lark's complaint -> a finding in human words. Every state of the parser that can fail has a sentence here."""

from __future__ import annotations

import re
import unicodedata

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
    "/": "a comment starts with `#`; a path stands in quotes",
    "-": "names are letters, digits and `_`; a negative number has no blank after its `-`",
    "$": "there are no variables: write the value itself",
    "\\": "a list or call may simply go on in the next line",
    ".": "a dotted name has no blanks",
    "*": "there is no arithmetic: write the value itself",
    "+": "there is no arithmetic: write the value itself",
    "%": "write `%` right after the number",
    "<": "write a comparison as a call, such as `above(column: clicks, value: 0)`",
    ">": "write a comparison as a call, such as `above(column: clicks, value: 0)`",
    "!": "write a comparison as a call, such as `equals(column: kind, value: 1)`",
    "&": "statements are separated by a new line or `;`",
    "|": "write several values as a list: `[a, b]`",
}
"""What is meant by a character that means nothing here."""

_MEANT: tuple[tuple[str, str], ...] = (
    (r"(?<![\w.])\.(\d+)", "write `0.{1}`"),
    (r"(?<=\d)\.(?!\d)", "write a digit after the point, or no point"),
    (r"(?<=\d)[ \t]+%", "write `%` right after the number, without a blank"),
    (r"'([^'\n]*)'", 'write `"{1}"`: strings stand in double quotes'),
    (r"`([^`\n]*)`", 'write `"{1}"`: strings stand in double quotes'),
    (r"(?<=\w)-(?=[^\W\d])", "write `_` instead: names are letters, digits and `_`"),
    (r"(?<=\w)/(?=\w)", "a path stands in quotes"),
    (r"//|--|/\*", "a comment starts with `#`"),
)
"""Patterns around a character that means nothing here, and what to write."""


def situation(acceptable: frozenset[str], inside: str = "") -> tuple[str, str]:
    """Where the parser stands and what may follow, in words, from the terminals it would take.

    inside  the innermost open bracket of the statement, `[`, `(` or none

    Raises KeyError for a set no rule knows; a test walks every state of the parser to see that none is left.
    """
    ending = {"[": "`,` or `]`", "(": "`,` or `)`"}.get(inside, "the end of the line")
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
        ("OPEN_PARENTHESIS" in acceptable, "after a name", f"{ending}, or `(` for a call"),
        (acceptable >= {"NAME", "COMMA"}, "after a number", ending if inside else "its unit, or the end of the line"),
        ({"COMMA", "CLOSE_BRACKET", "CLOSE_PARENTHESIS"} <= acceptable, "after a value", ending),
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
    inside = _inside(error.state)
    where, expected = situation(takes, inside)
    if isinstance(error, UnexpectedCharacters):
        return _character(error, source, expected, findings)
    token = error.token
    asked = text[: len(text) if token.type == "$END" else token.start_pos].rstrip()[-1:]
    closes = ("$END", "_NEWLINE", "SEMICOLON", "CLOSE_BRACE", "COMMA", "CLOSE_PARENTHESIS", "CLOSE_BRACKET")
    if token.type in closes and asked in ("=", ":") and takes >= _VALUE:
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
        help=_hint(token, takes, text, inside),
    )
    return span


def _character(error: UnexpectedCharacters, source: Source, expected: str, findings: Findings) -> Span:
    start = error.pos_in_stream or 0
    found = source.text[start]
    span = source.span(start, start + 1)
    visible = found.isprintable() and unicodedata.category(found) != "Cf"
    name = f"`{found}`" if visible else f"the invisible character U+{ord(found):04X}"
    findings.add(
        "E106",
        f"{name} is not part of the language",
        span,
        label=f"expected {expected}" if visible else unicodedata.name(found, "control character").lower(),
        help=_meant(source.text, start) if visible else "delete it",
    )
    return span


def _meant(text: str, start: int) -> str:
    line = text.rfind("\n", 0, start) + 1
    end = min(len(text) if (found := text.find("\n", start)) < 0 else found, start + 200)
    for pattern, help in _MEANT:
        for match in re.finditer(pattern, text[max(line, start - 200) : end]):
            if match.start() <= start - max(line, start - 200) < match.end():
                return help.format(match.group(0), *match.groups())
    if unicodedata.category(text[start]) == "So":
        return "names are letters, digits and `_`; a label in quotes may hold anything"
    return _SYMBOLS.get(text[start], "")


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


def _inside(state: ParserState[Token]) -> str:
    """The innermost bracket that the statement has open."""
    brackets = ("OPEN_BRACE", "OPEN_BRACKET", "OPEN_PARENTHESIS")
    last = next((one for one in reversed(state.value_stack) if isinstance(one, Token) and one.type in brackets), "")
    return "" if last == "{" else str(last)


def _hint(token: Token, takes: frozenset[str], text: str, inside: str) -> str:
    start = token.start_pos or 0
    before, rest = text[max(start - 100, 0) : start], text[start : start + 100]
    if before.endswith('"') and token.type in ("NAME", "NUMBER"):
        return 'inside a string a quote is written `\\"`'
    if date := re.search(r"\d{4}$", before) and re.match(r"-\d\d-\d\d", rest):
        return f'a date stands in quotes: `"{before[-4:]}{date.group()}"`'
    return _expected_more(token, takes, inside, before) or _expected_else(token, takes, inside, before)


def _expected_more(token: Token, takes: frozenset[str], inside: str, before: str) -> str:
    """For a token that may follow once something stands between."""
    if token.type == "EQUAL":
        if before.rstrip().endswith("="):
            return "write one `=`"
        return "inside a call's parentheses write `name: value`" if inside == "(" else ""
    if re.search(r"\d[KmGgb]\s*$", before):
        return "the suffixes of numbers are `k`, `M` and `B`"
    if token.type == "NUMBER" and "COMMA" in takes and not inside:
        return "a number has no blanks: `1_000`"
    if token.type in _VALUE and "COMMA" in takes and inside:
        return "is a `,` missing?"
    if token.type == "NAME" and "SEMICOLON" in takes:
        return "statements are separated by a new line or `;`"
    if token.type == "NUMBER" and "NAME" in takes:
        return "a name starts with a letter or `_`"
    if token.type == "STRING" and "NAME" in takes and not inside:
        return "names stand without quotes"
    return ""


def _expected_else(token: Token, takes: frozenset[str], inside: str, before: str) -> str:
    """For a token that is written elsewhere."""
    if token.type == "COLON":
        if "EQUAL" in takes:
            return "a setting is written `name = value`; `name: value` belongs inside a call's parentheses"
        return "a `,` is missing before the argument" if inside and "COMMA" in takes else ""
    if token.type == "COMMA":
        return "delete it, or write a value" if inside else "statements are separated by a new line or `;`, not by `,`"
    if token.type == "SEMICOLON":
        return "inside a list or call, values are separated by `,`"
    if token.type == "OPEN_PARENTHESIS" and "EQUAL" in takes:
        return "a call is a value: write `NAME = ` before it"
    if token.type == "OPEN_BRACE":
        if takes >= _VALUE:
            return "a block has no `=`: `kind name {`; arguments stand in a call: `name(argument: value)`"
        if "NAME" not in takes:
            return ""
        if not before.strip():
            return "this looks like JSON: give the file a name that ends in `.json`"
        return "a block's `{` stands on the line of its kind and name"
    if token.type in ("NAME", "STRING", "NUMBER") and ("OPEN_BRACE" in takes or "EQUAL" in takes):
        return 'a block is written `kind name "label" {`, a setting `name = value`'
    return "a value stands behind `name = `" if token.type == "OPEN_BRACKET" and "NAME" in takes else ""
