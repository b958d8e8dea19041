"""`Site`: where a place of the text stands, in blocks, settings, calls and lists.

Read off the text before the place, token by token, so that it holds while the text around it is half typed and has no
tree. Full-width punctuation counts as the key that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aesm_dsl.syntax.characters import FULL_WIDTH

_QUOTES = "".join(wide for wide, key in FULL_WIDTH.items() if key == '"')
_TOKEN = re.compile(
    rf'(?P<string>"(?:[^"\\\n]|\\[^\n])*"?|[{_QUOTES}][^\n"{_QUOTES}]*["{_QUOTES}]?)'
    r"|(?P<comment>[#＃][^\n]*)"
    r"|(?P<number>[+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:%|[kMB](?!\w))?)"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*\.?)"
    r"|(?P<mark>\n|[^\w\s])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is string, comment, number, name, mark (one key of punctuation, a line end) or value (a closed one)."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """The kind and name of a block around the place."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Nest:
    """A call or list around the place, within a value. `call` is empty for a list."""

    call: str
    argument: str = ""
    given: tuple[str, ...] = ()
    """Names of the arguments that stand before the place."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a place stands.

    blocks     around it, the outermost first
    key        the setting whose value it stands in; empty outside a value
    nests      calls and lists around it within that value, the outermost first
    before     what stands right before it, since the last separator
    token      the word, number, string or comment that it touches
    following  the next key of punctuation behind it on its line, or an empty string
    """

    blocks: tuple[Head, ...] = ()
    key: str = ""
    nests: tuple[Nest, ...] = ()
    before: tuple[Token, ...] = ()
    token: Token | None = None
    following: str = ""


def site_at(text: str, offset: int) -> Site:
    """The site of the place right before the character at `offset`."""
    site, touched = Site(), None
    for token in _tokens(text):
        if touched is not None or token.start > offset:
            following = "" if token.text == "\n" or token.kind != "mark" else token.text
            return replace(site, token=touched, following=following)
        if token.kind != "mark" and token.start <= offset <= token.end and not _starts_next(text, token, offset):
            touched = token
        elif token.start < offset:
            site = _behind(site, token)
        else:
            return replace(site, following="" if token.text == "\n" else token.text)
    return replace(site, token=touched)


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind, found = str(match.lastgroup), match.group()
        if kind == "mark":
            found = FULL_WIDTH.get(found, found)
        yield Token(kind, found, match.start(), match.end())


def _starts_next(text: str, token: Token, offset: int) -> bool:
    """Whether the token ends where the place is and another word starts there: `4096rows`."""
    return token.kind == "number" and offset == token.end and text[offset : offset + 1].isidentifier()


def _behind(site: Site, token: Token) -> Site:
    """The site once the token has passed."""
    nest = site.nests[-1] if site.nests else None
    last = site.before[-1].text if site.before and site.before[-1].kind == "name" else ""
    if token.kind == "comment":
        return site
    if token.kind != "mark":
        return replace(site, before=(*site.before, token))
    match token.text:
        case "{":
            words = [one.text for one in site.before if one.kind == "name"]
            head = Head(words[0] if words else "", words[1] if len(words) > 1 else "")
            return Site((*site.blocks, head))
        case "}":
            return Site(site.blocks[:-1])
        case "=":
            # Only a setting has it: a call or list before it was left open.
            return Site(site.blocks, last)
        case ";":
            return Site(site.blocks)
        case "\n":
            return site if nest else Site(site.blocks)
        case "(" | "[":
            return replace(site, nests=(*site.nests, Nest(last if token.text == "(" else "")), before=())
        case ")" | "]" if nest:
            closed = Token("value", "", token.start, token.end)
            return replace(site, nests=site.nests[:-1], before=(closed,))
        case ":" if nest and nest.call:
            inner = replace(nest, argument=last, given=(*nest.given, last))
            return replace(site, nests=(*site.nests[:-1], inner), before=())
        case "," if nest:
            return replace(site, nests=(*site.nests[:-1], replace(nest, argument="")), before=())
    return site
