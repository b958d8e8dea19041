"""Source -> Tree. What cannot be read is told and left out (characters.py, recover.py); the rest becomes the tree."""

from __future__ import annotations

import functools
import itertools
import math
import re
from pathlib import Path

import platformdirs
from lark import Lark, UnexpectedCharacters, UnexpectedToken
from lark import Tree as LarkTree
from lark.lexer import Token

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.memory import no_collection
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.syntax.characters import COMMENT, repair_source
from aesm_dsl.syntax.lexer import SinglePassLexer
from aesm_dsl.syntax.recover import recover

_SCALE = {"k": 1_000, "M": 1_000_000, "B": 1_000_000_000}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(.)")


@no_collection()
def parse(source: Source, findings: Findings) -> tree.File:
    """The tree of a source. Whatever cannot be read is told as E1 and left out of the tree (`damaged`)."""
    told = Findings()
    text, damaged = repair_source(source, told)
    findings.extend(told.sorted()[:MOST_MISTAKES])
    if len(told) > MOST_MISTAKES:
        return tree.File(source, (), (), (source.span(0, len(source.text)),))
    try:
        parsed = parser().parse(text)
    except (UnexpectedToken, UnexpectedCharacters):
        readable = recover(parser(), source, text, damaged, findings)
        if readable is None:
            return tree.File(source, (), (), (source.span(0, len(source.text)),))
        parsed = parser().parse(readable)
    comments = [
        tree.Comment(match.group(), source.span(match.start(), match.end()))
        for match in COMMENT.finditer(source.text)
        if match.group("comment")
    ]
    return _Reader(source, comments).file(parsed, tuple(damaged))


@functools.cache
def parser(strict: bool = False) -> Lark:
    """The LALR parser. `strict` proves that the grammar has no collision; tests build it so."""
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # The cache is a pickle, so it lies in the user's own folder, never in a shared temporary one.
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


class _Reader:
    """Lark's tree -> ours: places from the first and last token, comments to the statement they belong to."""

    def __init__(self, source: Source, comments: list[tree.Comment]) -> None:
        self.source = source
        self.comments = comments
        self.end = len(source.text)
        self.next = 0

    def file(self, parsed: LarkTree[Token], damaged: tuple[Span, ...]) -> tree.File:
        statements, closing = self.statements(parsed.children, None, self.end)
        return tree.File(self.source, statements, closing, damaged)

    def statements(
        self, children: list[Token | LarkTree[Token]], opener: int | None, end: int
    ) -> tuple[tuple[tree.Statement, ...], tuple[tree.Comment, ...]]:
        """The statements of a file or block body, and the comments after the last of them."""
        found: list[tree.Statement] = []
        branches = [child for child in children if isinstance(child, LarkTree)]
        for branch, following in itertools.zip_longest(branches, branches[1:]):
            limit = end if following is None else _first(following).start_pos or 0
            found.append(self.statement(branch, self.until(_first(branch).start_pos or 0), limit))
        return tuple(found), self.until(end)

    def until(self, end: int) -> tuple[tree.Comment, ...]:
        """The comments not yet taken that start before `end`."""
        first = self.next
        while self.next < len(self.comments) and self.comments[self.next].span.start < end:
            self.next += 1
        return tuple(self.comments[first : self.next])

    def on_line(self, offset: int, limit: int) -> tree.Comment | None:
        """The next comment if it stands on the line of `offset`, before `limit`."""
        if self.next == len(self.comments):
            return None
        comment = self.comments[self.next]
        if comment.span.start >= limit or "\n" in self.source.text[offset : comment.span.start]:
            return None
        self.next += 1
        return comment

    def statement(self, branch: LarkTree[Token], before: tuple[tree.Comment, ...], limit: int) -> tree.Statement:
        if branch.data == "setting":
            key, value = self.word(branch.children[0]), self.value(branch.children[1])
            inside = self.until(value.span.end)
            after = self.on_line(value.span.end, limit)
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
                inner = _first(body[0]).start_pos if body else last.start_pos
                opening = self.on_line(first.end_pos or 0, inner or 0)
                statements, closing = self.statements(body, first.start_pos, last.start_pos or 0)
                span, braces = span.to(self.span(last)), True
            elif child.type == "STRING":
                label = self.text(child)
                span = span.to(label.span)
            else:
                name = self.word(child)
                span = span.to(name.span)
        after = self.on_line(span.end, limit)
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
        # More digits than a float can hold count as infinite, which is out of every range.
        whole = not set(digits) & set(".eE") and len(digits) <= 290
        value: int | float = int(digits) if whole else float(digits)
        if percent:
            value = value / 100
        elif scale > 1:
            value = value * scale
            value = int(value) if math.isfinite(value) and value == int(value) else value
        return tree.Number(value, percent, unit, span.to(unit.span) if unit else span)

    def text(self, token: Token | LarkTree[Token]) -> tree.Text:
        span = self.span(token)
        inside = _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(1), match.group(1)), str(token)[1:-1])
        return tree.Text(inside, span)

    def word(self, token: Token | LarkTree[Token]) -> tree.Word:
        return tree.Word(str(token), self.span(token))

    def span(self, token: Token | LarkTree[Token]) -> Span:
        assert isinstance(token, Token)
        # A brace that was written for the author may stand behind the text.
        return Span(self.source, token.start_pos or 0, min(token.end_pos or 0, self.end))


def _first(branch: LarkTree[Token] | Token) -> Token:
    while isinstance(branch, LarkTree):
        branch = branch.children[0]
    return branch
