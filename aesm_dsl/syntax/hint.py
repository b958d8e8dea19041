"""What to do about a token that cannot stand where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark.lexer import Token

from aesm_dsl.findings.diagnostic import Help
from aesm_dsl.findings.fix import Edit, Fix, HelpWithFix, deletion, replacement
from aesm_dsl.findings.source import Span

VALUE = {"NAME", "NUMBER", "STRING", "OPEN_BRACKET"}
"""The terminals that a value starts with."""

_ITEM = r'(?:"[^"\n]*"|[+-]?[\w.]+%?)'
"""A word, number or string, as it may stand in a list."""

_SUFFIXES = {"K": "k", "m": "M", "g": "B", "G": "B", "b": "B"}


@dataclass(frozen=True, slots=True)
class EarlierMistake:
    """A finding about a place before the token at which the parser stopped."""

    span: Span
    message: str
    label: str
    help: Help


def earlier_mistake(token: Token, takes: frozenset[str], span: Span, text: str, inside: str) -> EarlierMistake | None:
    """What is wrong before the token, where that is plain."""
    before, source = text[max(span.start - 100, 0) : span.start], span.source
    if number := re.search(r"(\d[\d_.]*)([KmGgb])\s*$", before):
        start = span.start - len(number.group()) + len(number.group(1))
        place, suffix = source.span(start, start + 1), _SUFFIXES[number.group(2)]
        help = replacement(suffix, place, f"write `{number.group(1)}{suffix}`")
        return EarlierMistake(place, f"`{number.group(2)}` is no suffix of numbers", "expected `k`, `M` or `B`", help)
    if token.type == "COLON" and inside == "(" and (word := re.search(r"(?<=[^\s(,])\s+(\w+)\s*$", before)):
        start = span.start - len(word.group()) + len(word.group()) - len(word.group().lstrip())
        place = source.span(start, start + len(word.group(1)))
        end = span.start - len(word.group())
        message, label = f"a `,` is missing before `{word.group(1)}`", "expected `,` or `)`"
        return EarlierMistake(
            place, message, label, _insert(",", source.span(end, end), f"write `,` before `{word.group(1)}`")
        )
    return None


def help_for_token(token: Token, takes: frozenset[str], span: Span, text: str, inside: str) -> Help:
    """What to do about the token; an empty string where nothing is plain."""
    start = span.start
    before, rest = text[max(start - 100, 0) : start], text[start : start + 100]
    line = re.split(r"[\n;{]", before)[-1]
    if before.endswith('"') and token.type in ("NAME", "NUMBER"):
        return 'write `\\"` for a quote inside a string'
    if (date := re.search(r"\d{4}$", before)) and (more := re.match(r"-\d\d-\d\d", rest)):
        place = span.source.span(start - len(date.group()), start + len(more.group()))
        return replacement(f'"{place.text}"', place, f'write `"{place.text}"`: a date stands in quotes')
    return (
        _more(token, takes, span, line, inside)
        or _elsewhere(token, takes, span, line, inside)
        or _bracket(token, takes, span, line, not text[:start].strip())
        or ("finish the statement, or delete it" if token.type == "_NEWLINE" else "")
        or f"delete `{token}`, or finish the statement before it"
    )


def _more(token: Token, takes: frozenset[str], span: Span, line: str, inside: str) -> Help:
    """For a token that may follow once something stands between."""
    if token.type in VALUE and "COMMA" in takes and inside:
        end = span.source.span(len(span.source.text[: span.start].rstrip()), span.start)
        return _insert(",", span.source.span(end.start, end.start), f"write `,` before `{token}`")
    if token.type == "NUMBER" and "COMMA" in takes and (number := re.search(r"\d+\s+$", line)):
        place = span.source.span(span.start - len(number.group()), span.end)
        whole = "".join(place.text.split())
        return replacement(whole, place, f"write `{whole}`: a number has no blanks", certain=False)
    if token.type == "NAME" and "SEMICOLON" in takes:
        return _statement(token, span, line)
    if token.type == "NUMBER" and "NAME" in takes:
        word = re.match(r"\w+", span.source.text[span.start :])
        name = word.group() if word else token
        place = span.source.span(span.start, span.start + len(name))
        return replacement(f"_{name}", place, "write a letter or `_` before it: a name starts with one", certain=False)
    if token.type == "STRING" and "NAME" in takes and not inside and str(token)[1:-1].isidentifier():
        return replacement(str(token)[1:-1], span, f"write `{str(token)[1:-1]}`: names stand without quotes")
    return ""


def _statement(token: Token, span: Span, line: str) -> Help:
    """A word where a statement has ended: another statement, or a part of this one in the wrong place."""
    head = re.fullmatch(r'\s*(\w+)\s+("(?:[^"\\]|\\.)*")\s*', line)
    if head and token != head.group(1):
        place = span.source.span(span.start - len(line) + head.start(2), span.end)
        return replacement(f"{token} {head.group(2)}", place, f"write the name first: `{token} {head.group(2)}`")
    words = line.split()
    if len(words) > 1 and re.match(r"\w+[ \t]+\"", span.source.text[span.start :]):
        return deletion(span, "delete it: the label, in quotes, follows the name", certain=False)
    if len(words) > 1 and all(word.isidentifier() for word in words) and token != words[0]:
        rest = re.match(r"\w+(?:[ \t]+\w+)*", span.source.text[span.start :])
        name = "_".join([*words[1:], *(rest.group() if rest else str(token)).split()])
        return f"write `{name}`: a name has no blanks; a label stands in quotes"
    return f"write `;` or a new line before `{token}`"


def _elsewhere(token: Token, takes: frozenset[str], span: Span, line: str, inside: str) -> Help:
    """For a sign that is written elsewhere."""
    compared = re.search(r"=\s*(\w+)\s*$", line) if token.type == "EQUAL" else None
    if compared and (other := re.match(r'=?\s*(\w+|"[^"\n]*")', span.source.text[span.end : span.end + 100])):
        text = f"equals(column: {compared.group(1)}, value: {other.group(1)})"
        place = span.source.span(span.start - len(line) + compared.start(1), span.end + other.end())
        return replacement(text, place, certain=False)
    if token.type == "EQUAL" and line.rstrip().endswith("="):
        return deletion(span, "write one `=`")
    if token.type == "EQUAL" and inside == "(":
        return replacement(":", span, "write `:`; in a call it is `name: value`")
    if token.type == "COLON" and "EQUAL" in takes and not _rest(span):
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
        return _comma(span, line)
    if token.type == "SEMICOLON":
        return replacement(",", span, "write `,`: it separates values in a list or call")
    if token.type == "OPEN_PARENTHESIS" and "EQUAL" in takes:
        return "write `NAME = ` before it: a call is a value"
    return ""


def _comma(span: Span, line: str) -> Help:
    """For a comma where a statement has ended."""
    rest = _rest(span)
    if not rest:
        return deletion(span, "delete it: statements are separated by a new line or `;`")
    number = re.search(r"(?<!\w)(\d{1,3})$", line)
    if number and (groups := re.match(r"(,\d{3})+(?!\w)", span.source.text[span.start :])):
        place = span.source.span(span.start - len(number.group()), span.start + groups.end())
        return replacement(place.text.replace(",", "_"), place, f"write `{place.text.replace(',', '_')}`")
    values = re.match(rf"(?:,\s*{_ITEM}\s*)+(?=[;}}#\n]|\Z)", span.source.text[span.start :])
    first = re.search(rf"=\s*({_ITEM}(?:\s+\w+)?)\s*$", line)
    if first and values:
        place = span.source.span(span.start - len(line) + first.start(1), span.start + len(values.group().rstrip()))
        return replacement(f"[{place.text}]", place, f"write a list: `[{place.text}]`")
    kind = re.match(r"\s*(\w+)\s+\w+\s*$", line)
    if kind and re.match(r"\w+\s*(,|[;}#]|$)", rest):
        return replacement(
            f"; {kind.group(1)}", span, f"write `; {kind.group(1)}`: each has its `{kind.group(1)}`", certain=False
        )
    return replacement(";", span, "write `;`: statements are separated by a new line or `;`")


def _rest(span: Span) -> str:
    """What stands behind a place on its line, without comments."""
    return span.source.text[span.end :].partition("\n")[0].partition("#")[0].strip()


def _bracket(token: Token, takes: frozenset[str], span: Span, line: str, first: bool) -> Help:
    """For an opening bracket, or a value, where a statement or the rest of its head is expected."""
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


def _insert(text: str, place: Span, line: str) -> HelpWithFix:
    return HelpWithFix(line, (Fix(f"write `{text}`", (Edit(place, text),)),))
