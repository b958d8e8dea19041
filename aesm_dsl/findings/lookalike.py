"""Letters that look like Latin ones and are not: `а` (Cyrillic) in `mаin`. Tells which, where and what they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CYRILLIC = dict(zip("асеорхуіјѕԁһԛԝвкмнтАВСЕНІЈКМОРЅТХУԌ", "aceopxyijsdhqwBKMHTABCEHIJKMOPSTXYG", strict=True))
_GREEK = dict(zip("ανορυικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "avopuiktABEZHIKMNOPTYX", strict=True))
LOOKS_LIKE = _CYRILLIC | _GREEK
"""Letter -> the Latin letter it looks like."""

_PART = re.compile(r"[^\W\d_]+")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def skeleton(name: str) -> str:
    """The name with every look-alike replaced: what a reader sees."""
    return "".join(LOOKS_LIKE.get(character, character) for character in unicodedata.normalize("NFKC", name))


def strangers(name: str) -> list[str]:
    """The letters of a name that belong to another script than the Latin letters right beside them, each once."""
    found: dict[str, None] = {}
    for part in _PART.findall(unicodedata.normalize("NFKC", name)):
        scripts = {script for character in part if (script := _script(character))}
        if "LATIN" in scripts and len(scripts) > 1:
            found |= {character: None for character in part if _script(character) in ("CYRILLIC", "GREEK")}
    return list(found)


def twin(word: str, known: Iterable[str]) -> str | None:
    """The known name that looks the same as the word and is not, or None."""
    return next((name for name in known if tell_apart(word, name)), None)


def tell_apart(word: str, name: str) -> str:
    """A help line when the name looks the same as the word and is not; else an empty string."""
    one, other = unicodedata.normalize("NFKC", word), unicodedata.normalize("NFKC", name)
    if one == other or skeleton(word) != skeleton(name):
        return ""
    different = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)
    if different is None:
        return ""
    return f"`{name}` looks the same: it has {describe(different[1])}, this one {describe(different[0])}"


def describe(character: str) -> str:
    """`а` (Cyrillic, U+0430)."""
    script = (_script(character) or "").capitalize()
    return f"`{character}` ({script}{', ' * bool(script)}U+{ord(character):04X})"


def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")
