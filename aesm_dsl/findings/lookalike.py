"""Look-alikes: letters of other scripts that look like Latin ones, such as the Cyrillic `а` in `mаin`."""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC = dict(zip("асеорхуіјѕԁһԛԝвкмнтАВСЕНІЈКМОРЅТХУԌ", "aceopxyijsdhqwBKMHTABCEHIJKMOPSTXYG", strict=True))
_GREEK = dict(zip("ανορυικτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "avopuiktABEZHIKMNOPTYX", strict=True))
LOOKS_LIKE = _CYRILLIC | _GREEK
"""Maps each look-alike to the Latin letter that it looks like."""

_LETTERS = re.compile(r"[^\W\d_]+")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def normalize(name: str) -> str:
    """Returns a name in the form in which names are compared (NFKC)."""
    return unicodedata.normalize("NFKC", name)


def skeleton(name: str) -> str:
    """Returns the name with every look-alike replaced by its Latin letter: two names that look the same have the same
    skeleton."""
    return "".join(LOOKS_LIKE.get(character, character) for character in normalize(name))


def mixed_script_letters(name: str) -> list[str]:
    """Returns the Cyrillic and Greek letters that a name mixes with Latin ones within a run of letters, each once."""
    mixed: dict[str, None] = {}
    for letters in _LETTERS.findall(normalize(name)):
        scripts = {script for character in letters if (script := _script(character))}
        if "LATIN" in scripts and len(scripts) > 1:
            mixed |= {character: None for character in letters if _script(character) in ("CYRILLIC", "GREEK")}
    return list(mixed)


def lookalike_help(word: str, name: str) -> str:
    """Returns a help line if the name looks the same as the word but has other letters; else an empty string."""
    word_letters, name_letters = normalize(word), normalize(name)
    if word_letters == name_letters or skeleton(word) != skeleton(name):
        return ""
    pairs = zip(word_letters, name_letters, strict=False)
    different = next(((mine, theirs) for mine, theirs in pairs if mine != theirs), None)
    if different is None:
        return ""
    return f"`{name}` looks the same: it has {describe_letter(different[1])}, this one {describe_letter(different[0])}"


def describe_letter(character: str) -> str:
    """Describes a letter as `а` (Cyrillic, U+0430)."""
    script = (_script(character) or "").capitalize()
    return f"`{character}` ({script}{', ' * bool(script)}U+{ord(character):04X})"


def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")
