"""`KnownNames`: the declared names among which a misspelt one is looked up, however many of both there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from aesm_dsl.findings.lookalike import lookalike_help, normalize, skeleton

MOST_COMPARED = 20_000
"""Names that are compared letter by letter, for all unknown ones together. Beyond that only names are found that look
the same or differ in capitals: so many unknown names are not misspelt."""
MOST_LETTERS = 100
"""A longer name is compared with none: comparing two of them takes the time of their lengths' product."""
CUTOFF = 0.65
"""How similar two names have to be, as `difflib.SequenceMatcher` measures it."""


class KnownNames:
    """Names in their order. Looking up n names among n others takes the time of n, not of their pairs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._by_skeleton: dict[str, list[str]] = {}
        self._by_lowercase: dict[str, str] = {}
        self._left = MOST_COMPARED

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def nearest(self, word: str, own: str = "") -> str | None:
        """Returns the name most similar to a word, for a message; None if none is similar. `own` is not looked at."""
        if not self._by_skeleton:
            for name in self._names:
                self._by_skeleton.setdefault(skeleton(name), []).append(name)
                self._by_lowercase[normalize(name).casefold()] = name
        alike = self._by_skeleton.get(skeleton(word), ())
        if (same := next((name for name in alike if name != own and lookalike_help(word, name)), None)) is not None:
            return same
        lowercase = normalize(word).casefold()
        if (same := self._by_lowercase.get(lowercase, own)) != own:
            return same
        if self._left <= 0 or len(lowercase) > MOST_LETTERS:
            return None
        self._left -= len(self._names)
        close = difflib.get_close_matches(lowercase, self._by_lowercase, n=2, cutoff=CUTOFF)
        return next((name for name in map(self._by_lowercase.__getitem__, close) if name != own), None)
