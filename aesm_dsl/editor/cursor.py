"""`CursorContext`: where a position in the text lies, in blocks, settings, calls and lists.

It is read from the text before the position, token by token, so that it holds while the text around it is half typed
and has no tree. Full-width punctuation counts as the character that was meant.
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
    """A piece of text."""

    kind: str
    """string, comment, number, name, mark (punctuation or a line end), or value (a closed call or list)."""
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BlockHead:
    """Kind and name of a block around the position."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class EnclosingValue:
    """A call or list around the position, within a value."""

    call: str
    """Name of the call; empty for a list."""
    argument: str = ""
    """The argument that the position is in."""
    arguments: tuple[str, ...] = ()
    """Names of the arguments before the position."""


@dataclass(frozen=True, slots=True)
class CursorContext:
    """Where a position lies."""

    blocks: tuple[BlockHead, ...] = ()
    """Blocks around it, the outermost first."""
    key: str = ""
    """The setting whose value it is in; empty outside of a value."""
    nests: tuple[EnclosingValue, ...] = ()
    """Calls and lists around it within that value, the outermost first."""
    before: tuple[Token, ...] = ()
    """What comes right before it, since the last separator."""
    token: Token | None = None
    """The word, number, string or comment that it touches."""
    following: str = ""
    """The next punctuation mark after it on its line, or an empty string."""


def context_at(text: str, offset: int) -> CursorContext:
    """Returns the context of the position right before the character at `offset`."""
    context, touched = CursorContext(), None
    for token in _tokens(text):
        if touched is not None or token.start > offset:
            following = "" if token.text == "\n" or token.kind != "mark" else token.text
            return replace(context, token=touched, following=following)
        if token.kind != "mark" and token.start <= offset <= token.end and not _starts_next(text, token, offset):
            touched = token
        elif token.start < offset:
            context = _after(context, token)
        else:
            return replace(context, following="" if token.text == "\n" else token.text)
    return replace(context, token=touched)


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind, text = str(match.lastgroup), match.group()
        if kind == "mark":
            text = FULL_WIDTH.get(text, text)
        yield Token(kind, text, match.start(), match.end())


def _starts_next(text: str, token: Token, offset: int) -> bool:
    """Whether the token ends at the position and another word starts there: `4096rows`."""
    return token.kind == "number" and offset == token.end and text[offset : offset + 1].isidentifier()


def _after(context: CursorContext, token: Token) -> CursorContext:
    """The context behind a token."""
    nest = context.nests[-1] if context.nests else None
    last = context.before[-1].text if context.before and context.before[-1].kind == "name" else ""
    if token.kind == "comment":
        return context
    if token.kind != "mark":
        return replace(context, before=(*context.before, token))
    match token.text:
        case "{":
            words = [before.text for before in context.before if before.kind == "name"]
            head = BlockHead(words[0] if words else "", words[1] if len(words) > 1 else "")
            return CursorContext((*context.blocks, head))
        case "}":
            return CursorContext(context.blocks[:-1])
        case "=":
            # Only a setting has `=`: a call or list before it was left open.
            return CursorContext(context.blocks, last)
        case ";":
            return CursorContext(context.blocks)
        case "\n":
            return context if nest else CursorContext(context.blocks)
        case "(" | "[":
            return replace(
                context, nests=(*context.nests, EnclosingValue(last if token.text == "(" else "")), before=()
            )
        case ")" | "]" if nest:
            closed = Token("value", "", token.start, token.end)
            return replace(context, nests=context.nests[:-1], before=(closed,))
        case ":" if nest and nest.call:
            inner = replace(nest, argument=last, arguments=(*nest.arguments, last))
            return replace(context, nests=(*context.nests[:-1], inner), before=())
        case "," if nest:
            return replace(context, nests=(*context.nests[:-1], replace(nest, argument="")), before=())
    return context
