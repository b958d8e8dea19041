"""Parses a source into a syntax tree; text that cannot be parsed is reported and left out."""

from __future__ import annotations

import functools
import gc
import itertools
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from lark import Lark, UnexpectedCharacters, UnexpectedToken
from lark import Tree as LarkTree
from lark.lexer import Token

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.bidi import report_bidi
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.syntax.characters import repair_source
from aesm_dsl.syntax.lexer import SinglePassLexer
from aesm_dsl.syntax.recover import recover
from aesm_dsl.syntax.text_under_repair import COMMENT

_SCALE = {"k": 1_000, "M": 1_000_000, "B": 1_000_000_000}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:u((?![dD][89a-fA-F])[0-9a-fA-F]{4})|(.))")


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Pauses Python's search for reference cycles, as a context manager or decorator.

    Parsing and reading a spec create many small objects without cycles; searching for cycles among them takes half of
    the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@pause_garbage_collection()
def parse(source: Source, findings: Findings) -> tree.File:
    """Parses a source; syntax errors are reported as E1xx, and their text is left out of the tree (`File.damaged`)."""
    report_bidi(source, findings)
    mistakes = Findings()
    text, damaged = repair_source(source, mistakes)
    findings.extend(mistakes.sorted()[:MOST_MISTAKES])
    if len(mistakes) > MOST_MISTAKES:
        return _damaged_file(source)
    try:
        parsed = parser().parse(text)
    except (UnexpectedToken, UnexpectedCharacters):
        readable = recover(parser(), source, text, damaged, findings)
        if readable is None:
            return _damaged_file(source)
        parsed = parser().parse(readable)
    comments = [
        tree.Comment(match.group(), source.span(match.start(), match.end()))
        for match in COMMENT.finditer(source.text)
        if match.group("comment")
    ]
    return _TreeBuilder(source, comments).file(parsed, tuple(damaged))


def _damaged_file(source: Source) -> tree.File:
    """The tree of a source of which nothing can be read."""
    return tree.File(source, (), (), (source.span(0, len(source.text)),))


@functools.cache
def parser(strict: bool = False) -> Lark:
    """Returns the LALR parser.

    Args:
        strict: whether Lark proves that no two terminals of the grammar collide; tests build it so.
    """
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # The cache is a pickle, which can run code when it is loaded: it must be in a folder that only the user can write.
    folder = platformdirs.user_cache_path("aesm")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cached = not strict
    except OSError:
        cached = False
    return Lark(
        grammar,
        start="file",
        parser="lalr",
        lexer=SinglePassLexer,
        maybe_placeholders=False,
        strict=strict,
        cache=str(folder / "grammar.cache") if cached else False,
    )


class _TreeBuilder:
    """Converts Lark's tree: spans come from first and last tokens, and comments are attached to their statements.

    Statements must be built in the order of the text, because each takes the next comments.
    """

    def __init__(self, source: Source, comments: list[tree.Comment]) -> None:
        self.source = source
        self.comments = comments
        self.end = len(source.text)
        self.next_comment = 0

    def file(self, parsed: LarkTree[Token], damaged: tuple[Span, ...]) -> tree.File:
        statements, closing = self.statements(parsed.children, self.end)
        return tree.File(self.source, statements, closing, damaged)

    def statements(
        self, children: list[Token | LarkTree[Token]], end: int
    ) -> tuple[tuple[tree.Statement, ...], tuple[tree.Comment, ...]]:
        """Builds the statements of a file or a block's body; returns them and the comments after the last one."""
        statements: list[tree.Statement] = []
        branches = [child for child in children if isinstance(child, LarkTree)]
        for branch, following in itertools.zip_longest(branches, branches[1:]):
            limit = end if following is None else _first_token(following).start_pos or 0
            before = self.take_comments_until(_first_token(branch).start_pos or 0)
            statements.append(self.statement(branch, before, limit))
        return tuple(statements), self.take_comments_until(end)

    def take_comments_until(self, end: int) -> tuple[tree.Comment, ...]:
        """Takes the next comments that start before `end`."""
        first = self.next_comment
        while self.next_comment < len(self.comments) and self.comments[self.next_comment].span.start < end:
            self.next_comment += 1
        return tuple(self.comments[first : self.next_comment])

    def take_comment_on_line(self, offset: int, limit: int) -> tree.Comment | None:
        """Takes the next comment if it is on the line of `offset` and starts before `limit`."""
        if self.next_comment == len(self.comments):
            return None
        comment = self.comments[self.next_comment]
        if comment.span.start >= limit or "\n" in self.source.text[offset : comment.span.start]:
            return None
        self.next_comment += 1
        return comment

    def statement(self, branch: LarkTree[Token], before: tuple[tree.Comment, ...], limit: int) -> tree.Statement:
        if branch.data == "setting":
            key, value = self.word(branch.children[0]), self.value(branch.children[1])
            inside = self.take_comments_until(value.span.end)
            after = self.take_comment_on_line(value.span.end, limit)
            return tree.Setting(key, value, key.span.to(value.span), before, inside, after)
        return self.block(branch, before, limit)

    def block(self, branch: LarkTree[Token], before: tuple[tree.Comment, ...], limit: int) -> tree.Block:
        kind = self.word(branch.children[0])
        name: tree.Word | None = None
        label: tree.Text | None = None
        opening: tree.Comment | None = None
        statements: tuple[tree.Statement, ...] = ()
        closing: tuple[tree.Comment, ...] = ()
        span, braces = kind.span, False
        for child in branch.children[1:]:
            if isinstance(child, LarkTree):
                first, last = child.children[0], child.children[-1]
                assert isinstance(first, Token)
                assert isinstance(last, Token)
                body = child.children[1:-1]
                inner = _first_token(body[0]).start_pos if body else last.start_pos
                opening = self.take_comment_on_line(first.end_pos or 0, inner or 0)
                statements, closing = self.statements(body, last.start_pos or 0)
                span, braces = span.to(self.span(last)), True
            elif child.type == "STRING":
                label = self.text(child)
                span = span.to(label.span)
            else:
                name = self.word(child)
                span = span.to(name.span)
        after = self.take_comment_on_line(span.end, limit)
        return tree.Block(kind, name, label, braces, statements, span, before, opening, closing, after)

    def value(self, branch: LarkTree[Token] | Token) -> tree.Value:
        assert isinstance(branch, LarkTree)
        children = branch.children
        match branch.data:
            case "word":
                return self.word(children[0])
            case "text":
                return self.text(children[0])
            case "number":
                return self.number(children)
            case "list":
                span = self.span(children[0]).to(self.span(children[-1]))
                return tree.List(tuple(self.value(child) for child in children[1:-1]), span)
            case _:
                name = self.word(children[0])
                span = name.span.to(self.span(children[-1]))
                return tree.Call(name, tuple(self.argument(child) for child in children[2:-1]), span)

    def argument(self, branch: LarkTree[Token] | Token) -> tree.Argument:
        assert isinstance(branch, LarkTree)
        value = self.value(branch.children[-1])
        if len(branch.children) == 1:
            return tree.Argument(None, value, value.span)
        name = self.word(branch.children[0])
        return tree.Argument(name, value, name.span.to(value.span))

    def number(self, children: list[Token | LarkTree[Token]]) -> tree.Number:
        span = self.span(children[0])
        digits = str(children[0]).replace("_", "")
        unit = self.word(children[1]) if len(children) > 1 else None
        percent, scale = digits.endswith("%"), _SCALE.get(digits[-1], 1)
        digits = digits.rstrip("%kMB")
        # A number with more digits than a float can hold becomes infinite, which is out of every range.
        is_int = not set(digits) & set(".eE") and len(digits) <= 290
        value: int | float = int(digits) if is_int else float(digits)
        if percent:
            value = value / 100
        elif scale > 1:
            value = value * scale
            value = int(value) if math.isfinite(value) and value == int(value) else value
        return tree.Number(value, percent, unit, span.to(unit.span) if unit else span)

    def text(self, token: Token | LarkTree[Token]) -> tree.Text:
        span = self.span(token)
        text = _ESCAPE.sub(_unescaped, str(token)[1:-1])
        return tree.Text(text, span)

    def word(self, token: Token | LarkTree[Token]) -> tree.Word:
        return tree.Word(str(token), self.span(token))

    def span(self, token: Token | LarkTree[Token]) -> Span:
        assert isinstance(token, Token)
        # A closing brace that repair_source added is after the end of the source.
        return Span(self.source, token.start_pos or 0, min(token.end_pos or 0, self.end))


def _first_token(branch: LarkTree[Token] | Token) -> Token:
    while isinstance(branch, LarkTree):
        branch = branch.children[0]
    return branch


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _ESCAPES.get(escape[2], escape[2])
