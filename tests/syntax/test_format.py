"""The one layout: what it looks like, and that every parsable text keeps its meaning, its comments, and settles."""

from __future__ import annotations

import textwrap
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import comment_texts, structure
from aesm_dsl.syntax.format import format_file
from aesm_dsl.syntax.parse import parse, parser
from aesm_dsl.syntax.tree import File
from tests.conftest import examples

LAYOUTS = {
    "settings are aligned": (
        """
        a=1
        long  =  adam( rate:1e-3 ,weight_decay : 0 )   # why
        b = [ 1,2, 3 , ]# because
        """,
        """
        a    = 1
        long = adam(rate: 1e-3, weight_decay: 0)  # why
        b    = [1, 2, 3]                          # because
        """,
    ),
    "blank lines and comments break an alignment": (
        """
        a = 1

        long = 2
        # between
        longer = 3
        """,
        """
        a = 1

        long = 2
        # between
        longer = 3
        """,
    ),
    "blocks of one kind are aligned, by display width": (
        """
        node a "主搜" {value="x"}
        node wealth "理财TAB" { value = "y" ; under=[a,b] } # here
        node c
        tower = 1
        """,
        """
        node a      "主搜"    { value = "x" }
        node wealth "理财TAB" { value = "y"; under = [a, b] }  # here
        node c
        tower = 1
        """,
    ),
    "blank lines are kept, one at a time, none before a closing brace": (
        """


        a = 1


        block {

          b = 2


        }
        """,
        """
        a = 1

        block {

          b = 2
        }
        """,
    ),
    "a block in one line stays so; over several lines it stays so": (
        """
        experts {count=8;hidden=[64,32]}
        experts {
        count=8 }
        empty {
        }
        """,
        """
        experts { count = 8; hidden = [64, 32] }
        experts {
          count = 8
        }
        empty {}
        """,
    ),
    "a block in one line that is too long takes several": (
        """
        task special "A label of some length" { label = above(column: total_of_special_requests, value: 0); after = x }
        """,
        """
        task special "A label of some length" {
          label = above(column: total_of_special_requests, value: 0)
          after = x
        }
        """,
    ),
    "plain values fill lines": (
        f"""
        value = [{", ".join(f'"value {i}"' for i in range(12))}]
        """,
        """
        value = [
          "value 0", "value 1", "value 2", "value 3", "value 4", "value 5", "value 6", "value 7", "value 8",
          "value 9", "value 10", "value 11",
        ]
        """,
    ),
    "long calls take a line for each argument": (
        f"""
        a = list(of: id(buckets: 200k, column: "{"x" * 40}"), pool: mean, another: "{"y" * 40}")
        """,
        f"""
        a = list(
          of: id(buckets: 200k, column: "{"x" * 40}"),
          pool: mean,
          another: "{"y" * 40}",
        )
        """,
    ),
    "comments everywhere": (
        """
        ## documentation
        model m "label" { # opening
          # own
          a = [ # first
            1, # one
            # two follows
            2 # two
            , f( # call
              x: # value
                3 # three
              # end of call
            ) # behind call
            # end of list
          ] # behind a
          # closing
        } # behind m
        # end
        """,
        """
        ## documentation
        model m "label" {  # opening
          # own
          a = [  # first
            1,  # one
            # two follows
            2,  # two
            f(  # call
              # value
              x: 3,  # three
              # end of call
            ),  # behind call
            # end of list
          ]  # behind a
          # closing
        }  # behind m
        # end
        """,
    ),
    "empty lists and calls are never broken": (
        f"""
        {"x" * 95} = []
        {"x" * 95} = f()
        a = [ # nothing
        ]
        """,
        f"""
        {"x" * 95} = []
        {"x" * 95} = f()
        a = [  # nothing
        ]
        """,
    ),
    "an alignment that would make lines too long is not made": (
        f"""
        node a "short" {{ value = "{"v" * 60}" }}
        node b "{"long " * 10}" {{ value = 1 }}
        """,
        f"""
        node a "short" {{ value = "{"v" * 60}" }}
        node b "{"long " * 10}" {{ value = 1 }}
        """,
    ),
    "characters without a width do not push their neighbours": (
        'node a "tab\there" { x = 1 }\nnode bb "x" { x = 1 }\n',
        'node a  "tab\there" { x = 1 }\nnode bb "x"       { x = 1 }\n',
    ),
    "nothing": ("\n\n  \n", ""),
}


def tree_of(text: str) -> File | None:
    """The tree, or None when the text has mistakes."""
    findings = Findings()
    file = parse(Source("<test>", text), findings)
    return None if findings.items else file


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(name: str) -> None:
    before, after = (textwrap.dedent(text).removeprefix("\n") for text in LAYOUTS[name])
    file = tree_of(before)
    assert file is not None
    assert format_file(file) == after
    _holds(file)


class Scribbler:
    """Draws sound texts with odd spacing and a comment wherever one may stand.

    Names and values are few: the spacing is the point.
    """

    words = ("a", "bb", "node", "a.b", "中文", "x" * 60)
    texts = ('""', '"x"', '"# no comment"', r'"\"\\"', '"理财TAB"', '"{"', '"' + "y" * 70 + '"', '"a\tb"')
    numbers = ("1", "-2.50", "1_000k", "10%", "1e-3", "4096 rows", "5\tepochs")
    remarks = ("#", "# c", "## doc", "#!x", '# "', "# é 中文 }", "#\t#")
    ends = ("\n", "\n", "\r\n", "\n\n", "\n \n\t\n", "\r\n\r\n")
    blanks = ("", " ", "  ", "\t", "\u3000")

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def file(self) -> str:
        return self.chance.choice(("", "\ufeff")) + self.body(3) + self.lines()

    def one(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def blank(self) -> str:
        return self.one(*self.blanks)

    def lines(self) -> str:
        """What may stand between the values of a list or call, or between statements."""
        pieces = (self.blank(), self.blank() + self.one(*self.remarks) + self.one(*self.ends), self.one(*self.ends))
        return "".join(self.chance.choices(pieces, k=self.chance.choice((0, 0, 0, 1, 2, 3))))

    def value(self, depth: int) -> str:
        structure = self.chance.randrange(6) if depth else self.chance.randrange(3)
        if structure < 3:
            return self.one(*(self.words, self.texts, self.numbers)[structure])
        if structure == 3:
            return f"{self.one(*self.words)}{self.blank()}({self.items(depth - 1, named=True)})"
        return f"[{self.items(depth - 1, named=False)}]"

    def items(self, depth: int, named: bool) -> str:
        text, count = self.lines(), self.chance.choice((0, 1, 2, 2, 3, 9))
        for position in range(count):
            if named and self.chance.random() < 0.7:
                text += f"{self.one(*self.words)}{self.blank()}:{self.lines()}"
            text += self.value(depth) + self.lines()
            if position + 1 < count or self.chance.random() < 0.3:
                text += "," + self.lines()
        return text

    def setting(self, depth: int) -> str:
        return f"{self.one(*self.words)}{self.blank()}={self.blank()}{self.value(depth)}"

    def block(self, depth: int) -> str:
        name = self.one("", " " + self.one(*self.words))
        head = f"{self.one(*self.words)}{name} {self.one('', *self.texts)}{self.blank()}"
        in_line = "; ".join(self.setting(0) for _ in range(self.chance.randrange(3)))
        return head + self.chance.choice(("", f"{{{in_line}}}", f"{{{self.body(depth - 1)}}}"))

    def body(self, depth: int) -> str:
        text, count = self.lines(), self.chance.choice((0, 1, 2, 3, 4))
        for position in range(count):
            text += self.block(depth) if depth and self.chance.random() < 0.5 else self.setting(2)
            if position + 1 < count or self.chance.random() < 0.7:
                comment = self.one(";", "", self.one(*self.remarks))
                text += self.blank() + comment + (self.one(*self.ends) if comment != ";" else "") + self.lines()
        return text


def _holds(file: File | None) -> None:
    """Formatting keeps the tree and the comments, settles at once, and leaves no blanks at the ends of lines."""
    assert file is not None
    once = format_file(file)
    again = tree_of(once)
    assert again is not None
    assert list(map(structure, again.statements)) == list(map(structure, file.statements))
    assert list(comment_texts(again)) == list(comment_texts(file))
    assert format_file(again) == once
    assert not any(line != line.rstrip() for line in once.split("\n"))
    assert "\n\n\n" not in once


@settings(max_examples=examples(80))
@given(st.randoms(use_true_random=False))
def test_any_spacing_keeps_meaning_and_comments(chance: Random) -> None:
    _holds(tree_of(Scribbler(chance).file()))


@pytest.mark.parametrize(
    "text", ["a { # c\n}", "a {b=1 # c\n;}# d\n", "a = [1 # c\n,f(x: # d\n2)]; b {} # e", "a {a\n a {#\n};}"]
)
def test_comments_at_odd_places(text: str) -> None:
    _holds(tree_of(text))


@settings(max_examples=examples(60))
@given(from_lark(parser(strict=True), start="file"))
def test_whatever_the_grammar_draws_keeps_meaning_and_comments(text: str) -> None:
    file = tree_of(text.replace("\r\n", "\n").replace("\r", "\n"))
    assume(file is not None)
    _holds(file)


def test_ten_thousand_lines() -> None:
    """Nothing in the printer grows faster than its text."""
    file = tree_of("level a {\n  node b { x = [1, 2] }  # c\n  y = f(a: 1)\n}\n" * 2_500)
    assert file is not None
    assert format_file(file).count("\n") == 10_000
