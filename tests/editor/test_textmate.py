"""The TextMate grammar, run by a TextMate engine: every token of every spec has the scope that its tree says."""

from __future__ import annotations

import json
import logging
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aesm_dsl.editor.textmate import text, textmate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source, Span
from aesm_dsl.spec.spec_file import read_source
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse
from tests.conftest import PROJECT
from tests.editor.texts import SHOP

EXTENSION = PROJECT / "docs" / "editors" / "vscode"
SPECS = sorted((PROJECT / "specs").glob("*.aesm"))
FINE = [path for path in (PROJECT / "tests" / "mistakes").glob("fine_*") if b"\r" not in path.read_bytes()]

KEYWORD, NAME, KEY = "keyword.declaration", "entity.name.type", ("support.type.property-name", "variable.other.member")
CALL, ARGUMENT, NUMBER, UNIT = "support.function", "variable.parameter", "constant.numeric", "keyword.other.unit"
STRING, COMMENT = ("string.quoted", "constant.character.escape"), "comment.line"
WORD = ("variable.other", "constant.language", "support.function")


@pytest.fixture(scope="module")
def scopes() -> Callable[[str], list[str]]:
    """The innermost scope of every character of a text."""
    logging.disable(logging.WARNING)  # the engine warns of every brace that no rule matches
    from textmate_grammar.parsers.base import LanguageParser

    engine = LanguageParser(json.loads(text()))

    def read(source: str) -> list[str]:
        starts = [0, *(match.end() for match in re.finditer("\n", source))]
        found = [""] * len(source)
        element = engine.parse_string(source if source.endswith("\n") else f"{source}\n")
        for (line, column), token, stack in element.flatten() if element else ():
            start = starts[line] + column
            assert source[start : start + len(token)] == token
            found[start : start + len(token)] = [stack[-1]] * len(token)
        return found

    return read


def expected(statements: tuple[tree.Statement, ...]) -> Iterator[tuple[Span, str | tuple[str, ...]]]:
    """Every token of a tree, with the scopes that it may have."""
    for one in statements:
        yield from ((comment.span, COMMENT) for comment in one.before)
        if one.after:
            yield one.after.span, COMMENT
        if isinstance(one, tree.Setting):
            yield one.key.span, KEY
            yield from _value(one.value)
            continue
        yield one.kind.span, KEYWORD
        if one.name:
            yield one.name.span, NAME
        if one.label:
            yield one.label.span, STRING
        yield from expected(one.statements)


def _value(value: tree.Value) -> Iterator[tuple[Span, str | tuple[str, ...]]]:
    match value:
        case tree.Word():
            yield value.span, WORD
        case tree.Text():
            yield value.span, STRING
        case tree.Number(unit=unit):
            yield value.digits, NUMBER
            if unit:
                yield unit.span, UNIT
        case tree.List(items):
            for item in items:
                yield from _value(item)
        case tree.Call(name, arguments):
            yield name.span, CALL
            for argument in arguments:
                if argument.name:
                    yield argument.name.span, ARGUMENT
                yield from _value(argument.value)


@pytest.mark.parametrize("path", [*SPECS, *FINE], ids=lambda path: path.stem)
def test_every_token_has_its_scope(path: Path, scopes: Callable[[str], list[str]]) -> None:
    source = read_source(path, Findings())
    assert source is not None
    tokens = check(source, scopes)
    assert tokens > 3


def check(source: Source, scopes: Callable[[str], list[str]]) -> int:
    """How many tokens were compared."""
    found, tokens = scopes(source.text), list(expected(parse(source, Findings()).statements))
    for span, allowed in tokens:
        for scope in set(found[span.start : span.end]):
            assert scope.startswith(allowed), f"line {span.line}: {span.text!r} is {scope or 'without a scope'}"
    return len(tokens)


def test_the_shop_and_a_value_over_several_lines(scopes: Callable[[str], list[str]]) -> None:
    check(Source("shop.aesm", SHOP), scopes)
    spread = 'model m {\n  tasks { tower = [\n    64,  # wide\n    32\n  ]; task t "a \\" b" }\n}\n'
    assert check(Source("m.aesm", spread), scopes) == 9


@pytest.mark.parametrize(
    ("text", "piece", "scope"),
    [
        ("train { optimiser = 1 }", "optimiser", "variable.other.member"),
        ("train { batch = 4 rowz }", "rowz", "variable.other"),
        ("levle page { }", "levle", "meta.block.unknown"),
        ("experts { count ＝ 4 }", "＝", "invalid.illegal"),
        ('data { train = "open\n seed = 7 }', "seed", "support.type.property-name"),
        ("train { stop = early(patient: 2) }", "patient", "meta.argument.unknown"),
        ('level page "＝ is fine here"', "＝", "string.quoted"),
        ("# ＝ and here", "＝", "comment.line"),
        ("## ＝ and here", "＝", "comment.line.documentation"),
    ],
)
def test_what_the_language_does_not_know(text: str, piece: str, scope: str, scopes: Callable[[str], list[str]]) -> None:
    start = text.index(piece)
    assert all(one.startswith(scope) for one in scopes(text)[start : start + len(piece)]), scopes(text)


def test_the_extension_holds_the_grammar(golden: Callable[[Path, str], None]) -> None:
    golden(EXTENSION / "syntaxes" / "aesm.tmLanguage.json", text())


def test_the_extension_names_what_is_there() -> None:
    package: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    contributed = package["contributes"]
    (language,), (grammar,) = contributed["languages"], contributed["grammars"]
    assert grammar["scopeName"] == textmate()["scopeName"]
    assert language["id"] == grammar["language"]
    for path in (package["main"], language["configuration"], grammar["path"]):
        assert (EXTENSION / path).is_file()
    configuration = json.loads((EXTENSION / language["configuration"]).read_text(encoding="utf-8"))
    more = re.compile(configuration["indentationRules"]["increaseIndentPattern"])
    assert more.match("  level page {")
    assert more.match("  tower = [  # wide")
    assert not more.match("  node a { under = b }")


def test_the_page_about_editors_holds_what_it_says() -> None:
    page = (PROJECT / "docs" / "editor.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(json|toml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    helix = tomllib.loads(blocks["toml"])
    assert [helix["language-server"]["aesm"]["command"], *helix["language-server"]["aesm"]["args"]] == ["aesm", "lsp"]
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    assert set(json.loads(blocks["json"])) - {"[aesm]"} <= set(package["contributes"]["configuration"]["properties"])
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"aesm-dsl\[(\w+)\]", page):
        assert extra in project["optional-dependencies"]
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (PROJECT / "docs" / link).exists(), link
