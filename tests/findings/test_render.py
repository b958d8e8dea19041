"""How findings are printed: `full`, `concise`, `json`, `github`."""

from __future__ import annotations

import json

import pytest

from aesm_dsl.findings.diagnostic import Diagnostic, Findings, Related
from aesm_dsl.findings.fix import Edit, Fix
from aesm_dsl.findings.render import FORMATS, WIDEST, render
from aesm_dsl.findings.source import Source, Span


def at(text: str, part: str, path: str = "spec.aesm") -> Span:
    start = text.index(part)
    return Source(path, text).span(start, start + len(part))


def shown(*items: Diagnostic, form: str = "full", colour: bool = False) -> str:
    return render(Findings(list(items)), form, colour=colour)


SPEC = 'aesm = 1\nmodel shop {\n  node 基金 "热门基金" { under = [main, 理财tab] }\n}\n'
UNKNOWN = Diagnostic(
    "E203",
    "no node called `理财tab`",
    at(SPEC, "理财tab"),
    "not declared",
    ("the nodes are `main`, `wealth`", "refer to nodes by name"),
)


def test_chinese_letters_are_two_columns_wide() -> None:
    assert (
        shown(UNKNOWN)
        == """\
error[E203]: no node called `理财tab`
 --> spec.aesm:3:35
  |
3 |   node 基金 "热门基金" { under = [main, 理财tab] }
  |                                         ^^^^^^^ not declared
  |
  = help: the nodes are `main`, `wealth`
  = help: refer to nodes by name

1 error
"""
    )


def test_tabs_are_four_columns() -> None:
    text = "\tbatch\t= many\n"
    assert (
        shown(Diagnostic("E301", "no number", at(text, "many"), "a name"))
        == """\
error[E301]: no number
 --> spec.aesm:1:10
  |
1 |     batch    = many
  |                ^^^^ a name

1 error
"""
    )


def test_a_place_without_width_has_one_caret() -> None:
    text = "aesm = 1"
    end = Source("spec.aesm", text).span(len(text), len(text))
    assert "\n1 | aesm = 1\n  |         ^ here\n" in shown(Diagnostic("E107", "too short", end, "here"))
    empty = Source("spec.aesm", "").span(0, 0)
    assert "\n1 | \n  | ^\n" in shown(Diagnostic("E307", "nothing", empty))


@pytest.mark.parametrize("invisible", ["\x00", "\x1b", "\u200b", "\u202e", "\ufeff"])
def test_what_cannot_be_seen_is_shown_as_a_sign(invisible: str) -> None:
    """A control character would act on the terminal; one that turns the direction of writing would hide words."""
    text = f"ab{invisible}[31m = 1"
    assert "\n1 | ab\N{REPLACEMENT CHARACTER}[31m = 1\n  |   ^ here\n" in shown(
        Diagnostic("E106", "invisible", at(text, invisible), "here")
    )


@pytest.mark.parametrize("form", ["full", "concise", "github"])
def test_words_of_the_user_cannot_write_to_the_terminal(form: str) -> None:
    word = "\x1b[31m\u2028\x00"
    item = Diagnostic("E203", word, at("x", "x"), word, (word,), Related(at("x", "x"), word))
    text = shown(item, form=form)
    assert not set(word[:1] + word[-2:]) & set(text)
    assert "\N{REPLACEMENT CHARACTER}[31m" + 2 * "\N{REPLACEMENT CHARACTER}" in text


def test_marks_of_several_lines_stop_at_the_end_of_the_first() -> None:
    text = "a = [\n  1\n]\n"
    assert "\n1 | a = [\n  |     ^ list\n" in shown(Diagnostic("E301", "list", at(text, "[\n  1\n]"), "list"))


@pytest.mark.parametrize("before", [0, 50, 500, 5000])
@pytest.mark.parametrize("after", [0, 50, 5000])
@pytest.mark.parametrize("letter", ["x", "基"])
def test_a_long_line_is_cut_around_its_mark(before: int, after: int, letter: str) -> None:
    text = letter * before + "WRONG" + letter * after
    lines = shown(Diagnostic("E106", "here", at(text, "WRONG"), "label")).splitlines()
    line, carets = lines[3].removeprefix("1 | "), lines[4].removeprefix("  | ")
    columns = sum(2 if one == "基" else 1 for one in line)
    assert columns <= WIDEST + 6
    left, _, right = line.partition("WRONG")
    assert carets == " " * sum(2 if one == "基" else 1 for one in left) + "^^^^^ label"
    width = 2 if letter == "基" else 1
    if (before + after) * width + 5 > WIDEST:
        assert left.startswith("...") or right.endswith("...")
    else:
        assert line == text


def test_two_places_in_one_file() -> None:
    lines = [f"line{number}" for number in range(1, 13)]
    text = "\n".join(lines)
    twice = Diagnostic(
        "E204", "a second `line`", at(text, "line12"), "again", (), Related(at(text, "line3"), "first here")
    )
    assert (
        shown(twice)
        == """\
error[E204]: a second `line`
  --> spec.aesm:12:1
   |
12 | line12
   | ^^^^^^ again
  ::: spec.aesm:3:1
   |
 3 | line3
   | ----- first here

1 error
"""
    )


def test_two_places_in_two_files() -> None:
    item = Diagnostic(
        "E204",
        "two features are called `age`",
        at("age = number", "age"),
        "here",
        ("give one of them another name",),
        Related(at("\nage = id", "age", "shared.aesm"), "and here"),
    )
    assert (
        shown(item)
        == """\
error[E204]: two features are called `age`
 --> spec.aesm:1:1
  |
1 | age = number
  | ^^^ here
 ::: shared.aesm:2:1
  |
2 | age = id
  | --- and here
  |
  = help: give one of them another name

1 error
"""
    )


def test_a_finding_without_a_place() -> None:
    item = Diagnostic("E601", "`runs/a` exists already", None, "", ("`-o` names another folder",))
    assert (
        shown(item)
        == """\
error[E601]: `runs/a` exists already
  = help: `-o` names another folder

1 error
"""
    )


def test_findings_come_by_place_and_are_counted() -> None:
    early = Diagnostic("W101", "early", at(SPEC, "aesm"))
    other = Diagnostic("E203", "other file", at(SPEC, "model", "another.aesm"))
    nowhere = Diagnostic("E601", "nowhere")
    text = shown(nowhere, UNKNOWN, early, other, form="concise")
    assert (
        text
        == """\
another.aesm:2:1: error[E203] other file
spec.aesm:1:1: warning[W101] early
spec.aesm:3:35: error[E203] no node called `理财tab`
error[E601] nowhere
"""
    )
    assert shown(nowhere, UNKNOWN, early, other).endswith("\n3 errors, 1 warning\n")


def test_json_has_every_part() -> None:
    fix = Fix("write `x`", (Edit(at(SPEC, "aesm"), "x"),), certain=False)
    second = Related(at(SPEC, "main"), "first here")
    item = Diagnostic("E205", "twice", UNKNOWN.span, "again", ("keep one",), second, (fix,))
    assert json.loads(shown(item, Diagnostic("W501", "no rows"), form="json")) == [
        {
            "code": "E205",
            "severity": "error",
            "message": "twice",
            "place": {
                "path": "spec.aesm", "line": 3, "column": 35, "end_line": 3, "end_column": 40,
                "start": 56, "end": 61, "included_from": [],
            },
            "label": "again",
            "help": ["keep one"],
            "second": {
                "place": {
                    "path": "spec.aesm", "line": 3, "column": 29, "end_line": 3, "end_column": 33,
                    "start": 50, "end": 54, "included_from": [],
                },
                "label": "first here",
            },
            "fixes": [
                {
                    "title": "write `x`",
                    "certain": False,
                    "edits": [
                        {
                            "place": {
                                "path": "spec.aesm", "line": 1, "column": 1, "end_line": 1, "end_column": 5,
                                "start": 0, "end": 4, "included_from": [],
                            },
                            "text": "x",
                        }
                    ],
                }
            ],
        },
        {
            "code": "W501", "severity": "warning", "message": "no rows", "place": None,
            "label": "", "help": [], "second": None, "fixes": [],
        },
    ]  # fmt: skip
    assert "理财tab" in shown(UNKNOWN, form="json"), "JSON keeps letters readable"


def test_github_annotations_escape_what_would_end_them() -> None:
    assert shown(UNKNOWN, form="github") == (
        "::error file=spec.aesm,line=3,col=35,endLine=3,endColumn=40,title=E203::no node called `理财tab`"
        "%0Ahelp: the nodes are `main`, `wealth`%0Ahelp: refer to nodes by name\n"
    )
    odd = Diagnostic("W101", "100%\nsure", at("x", "x", "a,b:c.aesm"), help=("\x1b[31m",))
    assert shown(odd, form="github") == (
        "::warning file=a%2Cb%3Ac.aesm,line=1,col=1,endLine=1,endColumn=2,title=W101"
        "::100%25\N{REPLACEMENT CHARACTER}sure%0Ahelp: \N{REPLACEMENT CHARACTER}[31m\n"
    )
    assert shown(Diagnostic("E601", "there"), form="github") == "::error title=E601::there\n"


def test_colour_changes_nothing_but_colour() -> None:
    fix = Fix("write `x`", (Edit(at(SPEC, "aesm"), "x"),), certain=False)
    second = Related(at(SPEC, "main"), "first here")
    item = Diagnostic("E205", "twice", UNKNOWN.span, "again", ("keep one",), second, (fix,))
    coloured = shown(item, colour=True)
    assert "\x1b[1;31merror[E205]\x1b[0m" in coloured
    assert "\x1b[1;33mwarning[W101]\x1b[0m" in shown(Diagnostic("W101", "x", UNKNOWN.span), colour=True)
    assert "\x1b[31m^^^^^^^ again\x1b[0m" in coloured
    assert "\x1b[34m---- first here\x1b[0m" in coloured
    plain = coloured
    for code in ("1", "31", "33", "34", "1;31", "1;33", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == shown(item)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_say(form: str) -> None:
    assert shown(form=form) == ("[]\n" if form == "json" else "")
