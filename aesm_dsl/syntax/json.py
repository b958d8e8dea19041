"""Parses JSON text into `JsonValue`s, which know their spans and paths. The first mistake ends parsing, with E111."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.bracket_pairs import MOST_NESTED
from aesm_dsl.syntax.format import is_word

# The json module's own scanner of strings, which also returns the end of the string. It is public but has no types.
_scan_string: Callable[[str, int, bool], tuple[str, int]] = vars(json.decoder)["scanstring"]
_BLANKS = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?(?![\w.])", re.ASCII)
_TOKEN = re.compile(r"[\w.+-]+|.", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None}
_HINTS = {
    "'": 'strings stand in `"`',
    "/": "JSON has no comments",
    "#": "JSON has no comments",
    "True": "write `true`",
    "False": "write `false`",
    "None": "write `null`",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A member `"key": value` of an object."""

    key: str
    key_span: Span
    """The span of the key."""
    value: JsonValue


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value."""

    value: str | int | float | bool | list[JsonValue] | tuple[Member, ...] | None
    """An array is a list of `JsonValue`s, an object a tuple of `Member`s."""
    span: Span
    path: str
    """Its path, such as `levels[0].name`."""


class _Stop(Exception):  # noqa: N818 - not an error: control flow within this module
    """The text is not JSON, and the mistake has been reported."""


def parse_json(source: Source, findings: Findings) -> JsonValue | None:
    """Parses a JSON text; returns None if there is a mistake, which is reported."""
    reader = _JsonReader(source, findings)
    try:
        value = reader.value(reader.skip_blanks(1 if source.text.startswith("\ufeff") else 0), "", 0)
        end = reader.skip_blanks(value.span.end)
        if end < len(source.text):
            reader.stop(end, "the end of the file")
        return value
    except _Stop:
        return None


@dataclass(slots=True)
class _JsonReader:
    """A recursive-descent parser; each method takes the offset at which it starts."""

    source: Source
    findings: Findings

    def skip_blanks(self, at: int) -> int:
        match = _BLANKS.match(self.source.text, at)
        assert match
        return match.end()

    def stop(self, at: int, expected: str, hint: str = "") -> None:
        """Reports that the text at an offset is not what was expected, and stops."""
        text = self.source.text
        match = _TOKEN.match(text, at)
        if match is None:
            end = len(text.rstrip())
            span = self.source.span(max(end - 1, 0), end)
            self.findings.add("E111", "the JSON text ends too early", span, label=f"expected {expected}")
        else:
            token = match.group()
            hint = hint or _HINTS.get(token, "")
            shown = f"`{token}`" if token.isprintable() else f"U+{ord(token[0]):04X}"
            span = self.source.span(at, match.end())
            self.findings.add("E111", f"{shown} is not JSON here", span, label=f"expected {expected}", help=hint)
        raise _Stop

    def value(self, at: int, path: str, depth: int) -> JsonValue:
        text, first = self.source.text, self.source.text[at : at + 1]
        if depth > MOST_NESTED:
            self.findings.add(
                "E109", f"more than {MOST_NESTED} brackets inside each other", self.source.span(at, at + 1)
            )
            raise _Stop
        if first == "{":
            return self.object(at, path, depth)
        if first == "[":
            return self.array(at, path, depth)
        if first == '"':
            string, end = self.string(at)
            return JsonValue(string, self.source.span(at, end), path)
        word = next((word for word in _WORDS if re.compile(rf"{word}\b").match(text, at)), None)
        if word is not None:
            return JsonValue(_WORDS[word], self.source.span(at, at + len(word)), path)
        match = _NUMBER.match(text, at)
        if match is None:
            self.stop(at, "a value")
        assert match
        # A number with more digits than a float can hold becomes infinite, as in the language.
        is_int = match.lastindex is None and len(match.group()) <= 290
        number = int(match.group()) if is_int else float(match.group())
        return JsonValue(number, self.source.span(at, match.end()), path)

    def object(self, start: int, path: str, depth: int) -> JsonValue:
        members: list[Member] = []
        at = self.skip_blanks(start + 1)
        while self.source.text[at : at + 1] != "}":
            if self.source.text[at : at + 1] != '"':
                or_end = "" if members else " or `}`"
                self.stop(at, f'a key in `"`{or_end}', "" if or_end else self.help_for_last_comma(at, "}"))
            key, end = self.string(at)
            key_span = self.source.span(at, end)
            at = self.skip_blanks(end)
            if self.source.text[at : at + 1] != ":":
                self.stop(at, "`:`", "write `:` between a key and its value")
            step = key if is_word(key) else json.dumps(key, ensure_ascii=False)
            value = self.value(self.skip_blanks(at + 1), f"{path}.{step}" if path else step, depth + 1)
            members.append(Member(key, key_span, value))
            at = self.next_item(value.span.end, "}")
        return JsonValue(tuple(members), self.source.span(start, at + 1), path)

    def array(self, start: int, path: str, depth: int) -> JsonValue:
        items: list[JsonValue] = []
        at = self.skip_blanks(start + 1)
        while self.source.text[at : at + 1] != "]":
            items.append(self.value(at, f"{path}[{len(items)}]", depth + 1))
            at = self.next_item(items[-1].span.end, "]")
        return JsonValue(items, self.source.span(start, at + 1), path)

    def next_item(self, end: int, closer: str) -> int:
        """Returns the offset of the next item, or of the closer, after an item that ends at `end`."""
        text, at = self.source.text, self.skip_blanks(end)
        if text[at : at + 1] == ",":
            at = self.skip_blanks(at + 1)
            if text[at : at + 1] == closer:
                self.stop(at, "another value after the `,`", self.help_for_last_comma(at, closer))
        elif text[at : at + 1] != closer:
            self.stop(at, f"`,` or `{closer}`", "is a `,` missing?" if text[at : at + 1] in '"{[' else "")
        return at

    def help_for_last_comma(self, at: int, closer: str) -> str:
        return f"no `,` stands before `{closer}` in JSON" if self.source.text[at : at + 1] == closer else ""

    def string(self, at: int) -> tuple[str, int]:
        """Returns the string that starts at an offset, and the offset of its end."""
        try:
            string, end = _scan_string(self.source.text, at + 1, True)
            string.encode("utf-8")
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                span, message = self.source.span(at, at + 1), "this string is not closed"
            else:
                span = self.source.span(error.pos, error.pos + 1)
                control = error.msg.startswith("Invalid control")
                message = (
                    "a line end or control character inside a string" if control else "not an escape that JSON knows"
                )
            help = 'inside a string write `\\n`, `\\t`, `\\"` or `\\\\`'
            self.findings.add("E111", message, span, label="not JSON", help=help)
            raise _Stop from None
        except UnicodeEncodeError:
            # A lone surrogate such as `\ud800`: the scanner accepts it, but it is no character.
            self.findings.add(
                "E111", "half a surrogate pair is no character", self.source.span(at, end), label="not JSON"
            )
            raise _Stop from None
        return string, end
