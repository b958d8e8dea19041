"""Text -> tokens in one pass of one regular expression, half of the time that Lark's own lexer takes.

Right only for a grammar without collisions, whose tokens do not depend on what stands before them; a test holds ours to
it. Tokens have no line and column: places are offsets here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import UnexpectedCharacters
from lark.common import LexerConf
from lark.lexer import Lexer, LexerState, Token


class OnePass(Lexer):
    """Lark's interface to it."""

    __future_interface__ = 2  # Lark's name for: `lex` is given the states of lexer and parser

    def __init__(self, conf: LexerConf) -> None:
        terminals = sorted(
            conf.terminals, key=lambda one: (-one.priority, -one.pattern.max_width, -len(one.pattern.value), one.name)
        )
        self.pattern = re.compile("|".join(f"(?P<{one.name}>{one.pattern.to_regexp()})" for one in terminals))
        self.ignored = frozenset(conf.ignore)

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        """The tokens from the state's place on; UnexpectedCharacters where none fits."""
        text, at, ignored = lexer_state.text.text, lexer_state.line_ctr.char_pos, self.ignored
        for match in self.pattern.finditer(text, at):
            start, end = match.span()
            if start != at:
                break
            at = end
            if (kind := match.lastgroup or "") not in ignored:
                # Filled by hand: `Token(...)` looks at its arguments longer than it takes to fill it.
                token = str.__new__(Token, text[start:end])
                token.type, token.value, token.start_pos, token.end_pos = kind, text[start:end], start, end
                token.line = token.column = token.end_line = token.end_column = None
                yield token
        if at < len(text):
            raise UnexpectedCharacters(text, at, 1, 1, state=parser_state)  # type: ignore[no-untyped-call]
