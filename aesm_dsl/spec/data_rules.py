"""Rules about the `data` block: how csv files are written."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import did_you_mean
from aesm_dsl.findings.fix import replacement
from aesm_dsl.spec.rule_context import RuleContext

ENCODINGS = ("utf-8", "utf-16", "gbk", "gb18030", "big5", "shift_jis", "euc_kr", "latin-1", "cp1252", "cp1251")
"""Encodings that a misspelt one is compared with; every text encoding of Python is known."""


def csv_format_can_be_read(context: RuleContext) -> None:
    """The characters of a csv's format are single and different, and its encoding is known."""
    spec, places = context.spec, context.spec.places
    if spec.data is None or places.is_broken("data.format"):
        return
    csv = spec.data.format
    characters = {"separator": csv.separator, "quote": csv.quote, "escape": csv.escape}
    first: dict[str, str] = {}
    for word, character in characters.items():
        if character is None:
            continue
        wrong = _wrong(character)
        if not wrong and character in first:
            wrong = f"that is `{first[character]}` too"
        first.setdefault(character, word)
        if wrong:
            written = (character or "nothing").replace("\n", "a line end")
            help = 'write one ASCII character in quotes, `none` if there is none; a tab is `"\\t"`'
            message = f"`{word}` of a csv cannot be `{written}`"
            context.findings.add("E517", message, places.of(f"data.format.{word}"), label=wrong, help=help)
    if not _is_known(csv.encoding):
        span = places.of("data.format.encoding")
        helps = [did_you_mean(csv.encoding, ENCODINGS), "every text encoding of Python is known"]
        context.findings.add("E517", f"no encoding `{csv.encoding}`", span, label="not known", help=helps)
    for index in range(len(csv.null)):
        span = places.of(f"data.format.null.{index}") or places.of("data.format.null")
        if span is not None and span.text.startswith('"\\') and len(csv.null[index]) == len(span.text) - 3:
            if csv.null[index][0] in '"\\\n\r\t':
                continue
            meant = replacement('"\\' + span.text[1:], span, f'a backslash is written twice: `"\\{span.text[1:]}`')
            message = f"`{span.text}` is the text `{csv.null[index]}`"
            context.findings.add("E517", message, span, label="without a backslash", help=meant)


def _wrong(character: str) -> str:
    """Why a character cannot stand between or around the cells of a csv; empty if it can."""
    if len(character) != 1:
        return "not one character"
    if not character.isascii():
        return "not an ASCII character"
    return "it occurs in cells" if character.isalnum() or character in "\n\r.-+" else ""


def _is_known(encoding: str) -> bool:
    """Whether Python knows it, and it is one of text."""
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError, ValueError):
        return False
    return True
