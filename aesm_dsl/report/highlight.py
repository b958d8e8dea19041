"""The language's text as HTML: comments, strings, numbers, blocks, settings and calls have a class of their own."""

from __future__ import annotations

import re

from markupsafe import Markup

_TOKEN = re.compile(
    r'(?P<comment>#[^\n]*)|(?P<string>"(?:[^"\\\n]|\\[^\n])*")'
    r"|(?P<number>(?<![\w.])[+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:%|[kMB](?!\w))?)"
    r"|(?P<call>[^\W\d]\w*(?=\())|(?P<setting>[^\W\d]\w*(?=\s*[=:]))"
    r"|(?P<name>[^\W\d]\w*)"
)


def highlighted(text: str) -> Markup:
    """The text, every character of it, with `<span class="KIND">` around tokens that are worth a colour."""
    found, at = Markup(""), 0
    for match in _TOKEN.finditer(text):
        found += text[at : match.start()]
        kind = match.lastgroup
        if kind == "name" and text[: match.start()].rstrip(" \t")[-1:] in ("", "\n", "{", "}", ";"):
            kind = "block"
        found += match.group() if kind == "name" else Markup('<span class="{}">{}</span>').format(kind, match.group())
        at = match.end()
    return found + text[at:]
