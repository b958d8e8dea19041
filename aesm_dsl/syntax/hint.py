"""Help for syntax errors: what to do about a token that cannot stand where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark.lexer import Token

from aesm_dsl.findings.diagnostic import Help
from aesm_dsl.findings.fix import Edit, Fix, HelpWithFix, deletion, replacement
from aesm_dsl.findings.source import Span

VALUE = {"NAME", "NUMBER", "STRING", "OPEN_BRACKET"}
"""The terminals with which a value starts."""

_ITEM = r'(?:"[^"\n]*"|[+-]?[\w.]+%?)'
"""Matches a word, number or string, as it may stand in a list."""

_SUFFIXES = {"K": "k", "m": "M", "g": "B", "G": "B", "b": "B"}


@dataclass(frozen=True, slots=True)
class EarlierMistake:
    """A mistake before the token at which the parser stopped; the fields are those of a finding."""

    span: Span
    message: str
    label: str
    help: Help


def earlier_mistake(token: Token, span: Span, text: str, inside: str) -> EarlierMistake | None:
    """Finds the actual mistake if it is before the token at which the parser stopped.

    Args:
        token: the token at which the parser stopped.
        span: its place.
        text: the text as it was parsed.
        inside: the innermost open bracket of the statement, `[`, `(` or empty.
    """
    before, source = text[max(span.start - 100, 0) : span.start], span.source
    if number := re.search(r"(\d[\d_.]*)([KmGgb])\s*$", before):
        start = span.start - len(number.group()) + len(number.group(1))
        letter, suffix = source.span(start, start + 1), _SUFFIXES[number.group(2)]
        help = replacement(suffix, letter, f"write `{number.group(1)}{suffix}`")
        return EarlierMistake(letter, f"`{number.group(2)}` is no suffix of numbers", "expected `k`, `M` or `B`", help)
    if token.type == "COLON" and inside == "(" and (word := re.search(r"(?<=[^\s(,])\s+(\w+)\s*$", before)):
        start = span.start - len(word.group().lstrip())
        name = source.span(start, start + len(word.group(1)))
        end = span.start - len(word.group())
        message, label = f"a `,` is missing before `{word.group(1)}`", "expected `,` or `)`"
        return EarlierMistake(
            name, message, label, _insertion(",", source.span(end, end), f"write `,` before `{word.group(1)}`")
        )
    return None


def help_for_token(token: Token, takes: frozenset[str], span: Span, text: str, inside: str) -> Help:
    """Returns help for the token at which the parser stopped.

    Args:
        token: the token.
        takes: the terminals that could stand in its place.
        span: its place.
        text: the text as it was parsed.
        inside: the innermost open bracket of the statement, `[`, `(` or empty.
    """
    start = span.start
    before, rest = text[max(start - 100, 0) : start], text[start : start + 100]
    line = re.split(r"[\n;{]", before)[-1]
    if before.endswith('"') and token.type in ("NAME", "NUMBER"):
        return 'write `\\"` for a quote inside a string'
    if (date := re.search(r"\d{4}$", before)) and (more := re.match(r"-\d\d-\d\d", rest)):
        written = span.source.span(start - len(date.group()), start + len(more.group()))
        return replacement(f'"{written.text}"', written, f'write `"{written.text}"`: a date stands in quotes')
    return (
        _help_for_missing_separator(token, takes, span, line, inside)
        or _help_for_wrong_sign(token, takes, span, line, inside)
        or _help_for_misplaced_opener(token, takes, span, line, not text[:start].strip())
        or ("finish the statement, or delete it" if token.type == "_NEWLINE" else "")
        or f"delete `{token}`, or finish the statement before it"
    )


def _help_for_missing_separator(token: Token, takes: frozenset[str], span: Span, line: str, inside: str) -> Help:
    """For a name, number or string that could follow if something stood before it."""
    if token.type in VALUE and "COMMA" in takes and inside:
        end = len(span.source.text[: span.start].rstrip())
        return _insertion(",", span.source.span(end, end), f"write `,` before `{token}`")
    if token.type == "NUMBER" and "COMMA" in takes and (number := re.search(r"\d+\s+$", line)):
        digits = span.source.span(span.start - len(number.group()), span.end)
        joined = "".join(digits.text.split())
        return replacement(joined, digits, f"write `{joined}`: a number has no blanks", certain=False)
    if token.type == "NAME" and "SEMICOLON" in takes:
        return _help_for_name_after_statement(token, span, line)
    if token.type == "NUMBER" and "NAME" in takes:
        word = re.match(r"\w+", span.source.text[span.start :])
        name = word.group() if word else token
        name_span = span.source.span(span.start, span.start + len(name))
        line = "write a letter or `_` before it: a name starts with one"
        return replacement(f"_{name}", name_span, line, certain=False)
    if token.type == "STRING" and "NAME" in takes and not inside and str(token)[1:-1].isidentifier():
        return replacement(str(token)[1:-1], span, f"write `{str(token)[1:-1]}`: names stand without quotes")
    return ""


def _help_for_name_after_statement(token: Token, span: Span, line: str) -> Help:
    """For a name after the end of a statement: the start of another one, or a part of this one in the wrong place."""
    head = re.fullmatch(r'\s*(\w+)\s+("(?:[^"\\]|\\.)*")\s*', line)
    if head and token != head.group(1):
        swapped = span.source.span(span.start - len(line) + head.start(2), span.end)
        return replacement(f"{token} {head.group(2)}", swapped, f"write the name first: `{token} {head.group(2)}`")
    words = line.split()
    if len(words) > 1 and re.match(r"\w+[ \t]+\"", span.source.text[span.start :]):
        return deletion(span, "delete it: the label, in quotes, follows the name", certain=False)
    if len(words) > 1 and all(word.isidentifier() for word in words) and token != words[0]:
        rest = re.match(r"\w+(?:[ \t]+\w+)*", span.source.text[span.start :])
        name = "_".join([*words[1:], *(rest.group() if rest else str(token)).split()])
        return f"write `{name}`: a name has no blanks; a label stands in quotes"
    return f"write `;` or a new line before `{token}`"


def _help_for_wrong_sign(token: Token, takes: frozenset[str], span: Span, line: str, inside: str) -> Help:
    """For a sign in place of another one, or in a place where the language has none."""
    left = re.search(r"=\s*(\w+)\s*$", line) if token.type == "EQUAL" else None
    if left and (right := re.match(r'=?\s*(\w+|"[^"\n]*")', span.source.text[span.end : span.end + 100])):
        text = f"equals(column: {left.group(1)}, value: {right.group(1)})"
        comparison = span.source.span(span.start - len(line) + left.start(1), span.end + right.end())
        return replacement(text, comparison, certain=False)
    if token.type == "EQUAL" and line.rstrip().endswith("="):
        return deletion(span, "write one `=`")
    if token.type == "EQUAL" and inside == "(":
        return replacement(":", span, "write `:`; in a call it is `name: value`")
    if token.type == "COLON" and "EQUAL" in takes and not _rest_of_line(span):
        return replacement(
            " {", span, "write `{`, and `}` behind the last line: a block stands in braces", certain=False
        )
    if token.type == "COLON" and "EQUAL" in takes:
        return replacement(" =", span, "write `=`; `name: value` stands inside a call's parentheses")
    if token.type == "COLON":
        return "write the argument's name before it"
    if token.type == "COMMA" and inside:
        return "write a value before it, or delete it"
    if token.type == "COMMA":
        return _help_for_comma(span, line)
    if token.type == "SEMICOLON":
        return replacement(",", span, "write `,`: it separates values in a list or call")
    if token.type == "OPEN_PARENTHESIS" and "EQUAL" in takes:
        return "write `NAME = ` before it: a call is a value"
    return ""


def _help_for_comma(span: Span, line: str) -> Help:
    """For a comma after the end of a statement."""
    rest = _rest_of_line(span)
    if not rest:
        return deletion(span, "delete it: statements are separated by a new line or `;`")
    number = re.search(r"(?<!\w)(\d{1,3})$", line)
    if number and (groups := re.match(r"(,\d{3})+(?!\w)", span.source.text[span.start :])):
        digits = span.source.span(span.start - len(number.group()), span.start + groups.end())
        return replacement(digits.text.replace(",", "_"), digits, f"write `{digits.text.replace(',', '_')}`")
    values = re.match(rf"(?:,\s*{_ITEM}\s*)+(?=[;}}#\n]|\Z)", span.source.text[span.start :])
    first = re.search(rf"=\s*({_ITEM}(?:\s+\w+)?)\s*$", line)
    if first and values:
        items = span.source.span(span.start - len(line) + first.start(1), span.start + len(values.group().rstrip()))
        return replacement(f"[{items.text}]", items, f"write a list: `[{items.text}]`")
    kind = re.match(r"\s*(\w+)\s+\w+\s*$", line)
    if kind and re.match(r"\w+\s*(,|[;}#]|$)", rest):
        return replacement(
            f"; {kind.group(1)}", span, f"write `; {kind.group(1)}`: each has its `{kind.group(1)}`", certain=False
        )
    return replacement(";", span, "write `;`: statements are separated by a new line or `;`")


def _rest_of_line(span: Span) -> str:
    """The text after a place on its line, without comments."""
    return span.source.text[span.end :].partition("\n")[0].partition("#")[0].strip()


def _help_for_misplaced_opener(token: Token, takes: frozenset[str], span: Span, line: str, first: bool) -> Help:
    """For an opening bracket, or a value, where a statement or the rest of a block's head is expected."""
    if token.type == "OPEN_BRACE" and takes >= VALUE:
        key = re.search(r"\w+(?=\s*=\s*$)", line)
        return f"write `{key.group() if key else 'NAME'} {{` for a block, `name(argument: value)` for a call"
    if token.type == "OPEN_BRACE" and "NAME" in takes:
        if first:
            return "give the file a name that ends in `.json`: this looks like JSON"
        return "move it up, to the line of the block's kind and name"
    if token.type == "OPEN_PARENTHESIS" and takes >= VALUE:
        return "write a list in brackets, `[a, b]`; a call has a name"
    if token.type == "OPEN_BRACKET" and "EQUAL" in takes:
        return replacement("= [", span, "write `=` before it")
    if token.type in ("NAME", "STRING", "NUMBER") and ("OPEN_BRACE" in takes or "EQUAL" in takes):
        return 'write a block as `kind name "label" {`, a setting as `name = value`'
    return "write `NAME = ` before it" if token.type == "OPEN_BRACKET" and "NAME" in takes else ""


def _insertion(text: str, span: Span, line: str) -> HelpWithFix:
    """Offers to insert a text; the fix is titled by the text, without "before" and what follows."""
    return HelpWithFix(line, (Fix(f"write `{text}`", (Edit(span, text),)),))
