"""Seed -> mutant: a spec or a known mistake, damaged in one to four ways."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aesm_dsl.findings.lookalike import LOOKS_LIKE
from aesm_dsl.spec.model import Spec
from aesm_dsl.syntax.characters import FULL_WIDTH
from tests.conftest import PROJECT
from tests.worlds import THREE_LEVELS

LENGTHS = {5_000: 8, 20_000: 8, 100_000: 4, 1_000_000: 1}
"""Characters that a very long line, or very many lines, have together, and how often."""

_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|[\w.]+|\s+|.')
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?<!\w)\d[\w.%]*")
_NUMBERS = (
    "0", "-1", "+0", "1e999", "1e-999", "9" * 400, "-" + "9" * 5000, "1_0", "1__", "_1", "0x10", "007", "٣", "²", "½",
    "１２", "nan", "inf", "1e308k", "0.1B", "99999999999999999999M", "100%", "101%", "1e400%", "-0%", "1.", ".5", "1e",
    "9223372036854775808", "1k%", "5 epochs", "5epochs", "5 5", "1M M", "12kk",
)  # fmt: skip
_STRANGE = (
    "\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\v", "\f", "\r", "\r\n", "\ufeff", "\u00ad",
    "\u200b", "\u200d", "\u202e", "\u2066", "\u3000", "\u0301", "\ufe0f", "\ufffd", "\ufffe", "\U0010ffff", "😀",
    "👩\u200d👩\u200d👧", "ﬁ", "ǆ", "ß", "İ", "ſ", "℡", "㎏", "Ａ", "基", "が", "ﷺ", "אב", "١", "\\", "\\n", '\\"',
    "$", "@", "'", "`", "|", "<<<<<<< a\n", "\n=======\n", "\n>>>>>>> b\n", "\n||||||| c\n",
)  # fmt: skip
_KEYS = '{}[]()=:;,"#.%-_ \t\n'
_WIDE = {key: wide for wide, key in FULL_WIDTH.items()}
_LOOKS = {latin: other for other, latin in LOOKS_LIKE.items()}


@dataclass(frozen=True, slots=True)
class Mutant:
    """What a user might hand over: the place of a file, beside which imports are looked up, and its bytes."""

    path: str
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


@functools.cache
def corpus() -> tuple[Mutant, ...]:
    """Every spec, known mistake and file that they import, and the specs as JSON."""
    folders = (PROJECT / "specs", PROJECT / "tests" / "mistakes")
    files = [Mutant(str(path), path.read_bytes()) for folder in folders for path in sorted(folder.rglob("*.aesm"))]
    specs = [one for one in files if Path(one.path).parent == folders[0]]
    specs.append(Mutant("three_levels.aesm", THREE_LEVELS.encode()))
    data = [Spec.parse(one.text, one.path).model_dump(mode="json", by_alias=True) for one in specs]
    texts = [json.dumps(one, ensure_ascii=False, indent=1) for one in data]
    in_json = [
        Mutant(one.path.replace(".aesm", ".json"), text.encode()) for one, text in zip(specs, texts, strict=True)
    ]
    return (*files, specs[-1], *in_json)


def mutant(seed: int) -> Mutant:
    """The mutant of a seed."""
    random = Random(seed)
    chosen = random.choice(corpus())
    if random.random() < 0.002:
        text = random.choice(_HUGE)(random, chosen.text)
        return Mutant(chosen.path, text.encode())
    text = chosen.text
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        text = random.choice(_DAMAGE)(random, text)
    content = text.encode("utf-8", "replace")
    return Mutant(chosen.path, _bytes(random, content) if random.random() < 0.05 else content)


def _place(random: Random, text: str) -> int:
    return random.randint(0, len(text))


def _insert(text: str, place: int, new: str) -> str:
    return text[:place] + new + text[place:]


def _other(random: Random) -> str:
    return random.choice(corpus()).text


def _key(random: Random, text: str) -> str:
    """One character less, more, twice, or another one."""
    at, key = _place(random, text), random.choice(_KEYS)
    return random.choice(
        (
            text[:at] + text[at + 1 :],
            _insert(text, at, key),
            text[:at] + key + text[at + 1 :],
            _insert(text, at, text[at : at + 1]),
            text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
        )
    )


def _token(random: Random, text: str) -> str:
    """A token gone, doubled, exchanged with another one, or one of another file in its place."""
    tokens = _TOKEN.findall(text) or [""]
    first, second = random.randrange(len(tokens)), random.randrange(len(tokens))
    match random.randrange(4):
        case 0:
            del tokens[first]
        case 1:
            tokens.insert(second, tokens[first])
        case 2:
            tokens[first], tokens[second] = tokens[second], tokens[first]
        case _:
            tokens[first] = random.choice(_TOKEN.findall(_other(random)) or [""])
    return "".join(tokens)


def _word(random: Random, text: str) -> str:
    """A word in the place of another one of the same text, everywhere or once: names that clash, cycles."""
    words = _WORD.findall(text)
    if not words:
        return text
    old, new = random.choice(words), random.choice(words)
    return re.sub(rf"\b{old}\b", new, text, count=random.choice((0, 1)))


def _lines(random: Random, text: str) -> str:
    """Lines gone, doubled, moved, joined, indented otherwise, or taken from another file."""
    lines = text.split("\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    last = at + random.choice((1, 1, 2, 5))
    match random.randrange(6):
        case 0:
            del lines[at:last]
        case 1:
            lines[to:to] = lines[at:last]
        case 2:
            moved = lines[at:last]
            del lines[at:last]
            lines[to:to] = moved
        case 3:
            lines[at:last] = [random.choice((" ", "", ";", ",")).join(lines[at:last])]
        case 4:
            lines[at] = random.choice(("", " ", "\t", "      ", "\u3000")) + lines[at].strip()
        case _:
            others = _other(random).split("\n")
            start = random.randrange(len(others))
            lines[at:at] = others[start : start + random.choice((1, 2, 5, 20))]
    return random.choice(("\n", "\n", "\n", "\r\n", "\r")).join(lines)


def _cut(random: Random, text: str) -> str:
    """The start, the end, or something in the middle missing."""
    at, to = sorted((_place(random, text), _place(random, text)))
    return random.choice((text[:at], text[at:], text[:at] + text[to:]))


def _strange(random: Random, text: str) -> str:
    """Characters that a program may trip over."""
    for _ in range(random.choice((1, 1, 3, 10))):
        text = _insert(text, _place(random, text), random.choice((*_STRANGE, chr(random.randrange(0xD800)))))
    return text


def _wide(random: Random, text: str) -> str:
    """Punctuation of another keyboard, letters of another script, another normal form."""
    share = random.choice((0.02, 0.2, 1.0))
    match random.randrange(3):
        case 0:
            return "".join(_WIDE[one] if one in _WIDE and random.random() < share else one for one in text)
        case 1:
            return "".join(_LOOKS[one] if one in _LOOKS and random.random() < share / 10 else one for one in text)
        case _:
            return unicodedata.normalize(random.choice(("NFD", "NFKD", "NFKC")), text)


def _number(random: Random, text: str) -> str:
    """A number no one expected."""
    places = list(_NUMBER.finditer(text))
    if not places:
        return _insert(text, _place(random, text), random.choice(_NUMBERS))
    place = random.choice(places)
    return text[: place.start()] + random.choice(_NUMBERS) + text[place.end() :]


def _deep(random: Random, text: str) -> str:
    """Brackets in brackets, closed or not."""
    times = random.choice((3, 30, 62, 63, 64, 65, 66, 300))
    opening, closing = random.choice(
        (("{", "}"), ("[", "]"), ("(", ")"), ("a {\n", "}\n"), ("f(x: ", ")"), ("[(", "])"))
    )
    return _insert(text, _place(random, text), opening * times + random.choice(("", closing * times, closing * 5)))


def _noise(random: Random, text: str) -> str:
    """Tokens of many files in any order: nothing of a spec is left."""
    count = random.choice((0, 1, 5, 40))
    pieces = [token for _ in range(3) for token in _TOKEN.findall(_other(random))]
    return "".join(random.choices([*pieces, *_KEYS, *_STRANGE, *_NUMBERS], k=count))


def _bytes(random: Random, content: bytes) -> bytes:
    """Bytes that are no text, or another one."""
    cells = bytearray(content or b" ")
    for _ in range(random.choice((1, 1, 4, 40))):
        cells[random.randrange(len(cells))] = random.randrange(256)
    return bytes(cells[: random.randint(1, len(cells))]) if random.random() < 0.2 else bytes(cells)


_DAMAGE: tuple[Callable[[Random, str], str], ...] = (
    _key, _key, _token, _token, _word, _lines, _lines, _cut, _strange, _wide, _number, _deep, _noise,
)  # fmt: skip


def _length(random: Random) -> int:
    return random.choices([*LENGTHS], [*LENGTHS.values()])[0]


def _long(random: Random, text: str) -> str:
    """One very long line of something."""
    piece = random.choice(
        ("x", " ", '"', "#", "基", "：", "“", "[", "{", "}", "a=", "a=1;", "1,", "a ", "a{}", 'a "b" {', "-", "\0", "'")
    )
    line = random.choice(("", 'a = "', "a = [", "# ", "a = f(")) + piece * (_length(random) // len(piece))
    return _insert(text, _place(random, text), line + random.choice(("", "\n", '"\n', "]\n", ")\n")))


def _many(random: Random, text: str) -> str:
    """Very many lines of something."""
    lines = [
        *text.split("\n"),
        "}",
        "{",
        '"',
        "a = ",
        "x = [",
        "node",
        "“",
        "<<<<<<< a",
        "=======",
        "[ # c",
        "node a { value = 1 }",
    ]
    line = random.choice(lines)
    return _insert(text, _place(random, text), f"\n{line}" * (_length(random) // (len(line) + 1)) + "\n")


_HUGE: tuple[Callable[[Random, str], str], ...] = (_long, _many)
