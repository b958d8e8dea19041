"""A lexer for Lark that matches one regular expression in a single pass, in half of the time of Lark's own lexer.

It is correct only for a grammar without collisions, in which a token does not depend on the text before it; a test
checks this of grammar.lark. Tokens get offsets but no line and column, because the rest of aesm uses offsets only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import UnexpectedCharacters
from lark.common import LexerConf
from lark.lexer import Lexer, LexerState, Token


class SinglePassLexer(Lexer):
    """A lexer with Lark's interface."""

    __future_interface__ = 2  # Lark then calls `lex` with the states of lexer and parser.

    def __init__(self, conf: LexerConf) -> None:
        # The order in which Lark's own lexer tries terminals.
        terminals = sorted(
            conf.terminals,
            key=lambda terminal: (
                -terminal.priority,
                -terminal.pattern.max_width,
                -len(terminal.pattern.value),
                terminal.name,
            ),
        )
        self.pattern = re.compile(
            "|".join(f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})" for terminal in terminals)
        )
        self.ignored = frozenset(conf.ignore)

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        """Yields the tokens from the lexer state's position on.

        Raises:
            UnexpectedCharacters: no token starts at the next character.
        """
        text, at, ignored = lexer_state.text.text, lexer_state.line_ctr.char_pos, self.ignored
        for match in self.pattern.finditer(text, at):
            start, end = match.span()
            if start != at:
                break
            at = end
            if (kind := match.lastgroup or "") not in ignored:
                # Built without `Token(...)`, which checks its arguments and takes longer than everything else here.
                token = str.__new__(Token, text[start:end])
                token.type, token.value, token.start_pos, token.end_pos = kind, text[start:end], start, end
                token.line = token.column = token.end_line = token.end_column = None
                yield token
        if at < len(text):
            raise UnexpectedCharacters(text, at, 1, 1, state=parser_state)  # type: ignore[no-untyped-call]
