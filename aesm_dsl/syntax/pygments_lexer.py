"""A Pygments lexer that colours specs in web pages, notebooks and terminals.

It knows the two shapes of the language but none of its words, so it colours specs of every version. Editors use the
TextMate grammar of editor/textmate.py, which knows the words.
"""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"


_COMMON = [
    (r"#[^\n]*", Comment.Single),
    (r'"(?:[^"\\\n]|\\[^\n])*"', String.Double),
]
_VALUE = [
    *_COMMON,
    (
        r"([+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:%|[kMB](?!\w))?)([^\S\n]*)([^\W\d]\w*)?",
        bygroups(Number, Text, Keyword.Type),
    ),
    (rf"({_NAME})([^\S\n]*)(\()", bygroups(Name.Function, Text, Punctuation), "inside"),
    (r"\[", Punctuation, "inside"),
    (_NAME, Name.Constant),
    (r"\s+|.", Text),
]


class AesmLexer(RegexLexer):  # type: ignore[misc]  # Pygments ships no types
    """Tokenizes a spec: kinds of blocks are keywords, their names classes, settings attributes, and calls functions."""

    name = "aesm"
    aliases: ClassVar[list[str]] = ["aesm"]
    filenames: ClassVar[list[str]] = ["*.aesm"]
    tokens: ClassVar = {
        "root": [
            *_COMMON,
            (rf"({_NAME})([^\S\n]*)(=)", bygroups(Name.Attribute, Text, Operator), "value"),
            (rf"({_NAME})([^\S\n]+)({_NAME})", bygroups(Keyword.Declaration, Text, Name.Class)),
            (_NAME, Keyword.Declaration),
            (r"[{};]", Punctuation),
            (r"\s+|.", Text),
        ],
        "value": [(r"\n", Text, "#pop"), (r"(?=[;}])", Text, "#pop"), *_VALUE],
        "inside": [
            (r"[)\]]", Punctuation, "#pop"),
            (rf"({_NAME})([^\S\n]*)(:)", bygroups(Name.Variable, Text, Punctuation)),
            *_VALUE,
        ],
    }
