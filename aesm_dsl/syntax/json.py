"""JSON text -> `JsonValue`, a value whose every part knows its place and path; the mistake that stops it is E111."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax.bracket_pairs import MOST_NESTED
from aesm_dsl.syntax.format import is_word

# The standard library's own reader of a string, which also tells where it ends; it is public but not typed.
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
    """One `"key": value` of an object."""

    key: str
    place: Span
    value: JsonValue


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value: an object is a tuple of `Member`, an array a list of `JsonValue`. `path` reads like `levels[0].name`."""

    value: str | int | float | bool | list[JsonValue] | tuple[Member, ...] | None
    span: Span
    path: str


class _Stop(Exception):  # noqa: N818 - not an error: control flow within this room
    """What was found cannot be JSON, and why has been told."""


def parse_json(source: Source, findings: Findings) -> JsonValue | None:
    """The value of a JSON text; None after telling the one mistake that stopped it."""
    reader = _Reader(source, findings)
    try:
        value = reader.value(reader.blanks(1 if source.text.startswith("\ufeff") else 0), "", 0)
        end = reader.blanks(value.span.end)
        if end < len(source.text):
            reader.stop(end, "the end of the file")
        return value
    except _Stop:
        return None


@dataclass(slots=True)
class _Reader:
    source: Source
    findings: Findings

    def blanks(self, at: int) -> int:
        match = _BLANKS.match(self.source.text, at)
        assert match
        return match.end()

    def stop(self, at: int, expected: str, hint: str = "") -> None:
        text = self.source.text
        match = _TOKEN.match(text, at)
        if match is None:
            end = len(text.rstrip())
            span = self.source.span(max(end - 1, 0), end)
            self.findings.add("E111", "the JSON text ends too early", span, label=f"expected {expected}")
        else:
            found = match.group()
            hint = hint or _HINTS.get(found, "")
            message = (
                f"`{found}` is not JSON here" if found.isprintable() else f"U+{ord(found[0]):04X} is not JSON here"
            )
            span = self.source.span(at, match.end())
            self.findings.add("E111", message, span, label=f"expected {expected}", help=hint)
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
            found, end = self.string(at)
            return JsonValue(found, self.source.span(at, end), path)
        word = next((one for one in _WORDS if re.compile(rf"{one}\b").match(text, at)), None)
        if word is not None:
            return JsonValue(_WORDS[word], self.source.span(at, at + len(word)), path)
        match = _NUMBER.match(text, at)
        if match is None:
            self.stop(at, "a value")
        assert match
        whole = match.lastindex is None and len(match.group()) <= 290
        number = int(match.group()) if whole else float(match.group())
        return JsonValue(number, self.source.span(at, match.end()), path)

    def object(self, start: int, path: str, depth: int) -> JsonValue:
        members: list[Member] = []
        at = self.blanks(start + 1)
        while self.source.text[at : at + 1] != "}":
            if self.source.text[at : at + 1] != '"':
                last = "" if members else " or `}`"
                self.stop(at, f'a key in `"`{last}', "" if last else self.needless_comma(at, "}"))
            key, end = self.string(at)
            place = self.source.span(at, end)
            at = self.blanks(end)
            if self.source.text[at : at + 1] != ":":
                self.stop(at, "`:`", "write `:` between a key and its value")
            inner = key if is_word(key) else json.dumps(key, ensure_ascii=False)
            found = self.value(self.blanks(at + 1), f"{path}.{inner}" if path else inner, depth + 1)
            members.append(Member(key, place, found))
            at = self.after(found.span.end, "}")
        return JsonValue(tuple(members), self.source.span(start, at + 1), path)

    def array(self, start: int, path: str, depth: int) -> JsonValue:
        items: list[JsonValue] = []
        at = self.blanks(start + 1)
        while self.source.text[at : at + 1] != "]":
            items.append(self.value(at, f"{path}[{len(items)}]", depth + 1))
            at = self.after(items[-1].span.end, "]")
        return JsonValue(items, self.source.span(start, at + 1), path)

    def after(self, end: int, closer: str) -> int:
        """Where the next item or the closer stands, behind an item that ended at `end`."""
        text, at = self.source.text, self.blanks(end)
        if text[at : at + 1] == ",":
            at = self.blanks(at + 1)
            if text[at : at + 1] == closer:
                self.stop(at, "another value after the `,`", self.needless_comma(at, closer))
        elif text[at : at + 1] != closer:
            self.stop(at, f"`,` or `{closer}`", "is a `,` missing?" if text[at : at + 1] in '"{[' else "")
        return at

    def needless_comma(self, at: int, closer: str) -> str:
        return f"no `,` stands before `{closer}` in JSON" if self.source.text[at : at + 1] == closer else ""

    def string(self, at: int) -> tuple[str, int]:
        """The string that starts at `at`, and where it ends."""
        try:
            found, end = _scan_string(self.source.text, at + 1, True)
            found.encode("utf-8")
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                span, why = self.source.span(at, at + 1), "this string is not closed"
            else:
                span = self.source.span(error.pos, error.pos + 1)
                control = error.msg.startswith("Invalid control")
                why = "a line end or control character inside a string" if control else "not an escape that JSON knows"
            help = 'inside a string write `\\n`, `\\t`, `\\"` or `\\\\`'
            self.findings.add("E111", why, span, label="not JSON", help=help)
            raise _Stop from None
        except UnicodeEncodeError:
            self.findings.add(
                "E111", "half a surrogate pair is no character", self.source.span(at, end), label="not JSON"
            )
            raise _Stop from None
        return found, end
