"""The work of checking a spec grows with its text, not with the pairs of things in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from aesm_dsl.findings import known_names
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.load import load
from aesm_dsl.syntax.text_under_repair import COMMENT
from tests.steps import steep


def check(text: str, path: str = "m.aesm") -> Findings:
    """Checks a spec, and writes what is wrong with it."""
    findings = Findings()
    spec = load(Source(path, text), findings)
    if spec is not None:
        compile_loaded(spec, findings)
    render(findings)
    return findings


def many(size: int, line: Callable[[int], str]) -> str:
    return "\n".join(line(number) for number in range(size))


def model(*parts: str) -> str:
    return "\n".join(("aesm = 1", "model m {", *parts, "}"))


def everything(size: int) -> str:
    """A spec without mistakes that has many of all things."""
    return model(
        many(size, lambda i: f"features g{i} {{ f{i} = category(); x{i} = cross(of: [f{i}, f{max(i - 1, 0)}y]) }}"),
        "features more {",
        many(size, lambda i: f"f{i}y = number(quantiles: 8)"),
        "}",
        "level page {",
        many(size, lambda i: f'node p{i} "P{i}" {{ value = ["v{i}", "w{i}"] }}'),
        "}",
        "level card {\nunder = page",
        many(size, lambda i: f"node c{i} {{ under = p{i} }}"),
        "}",
        "tasks {",
        many(size, lambda i: f"task t{i}" + f" {{ after = t{i - 1}; joint = direct; where = t{i - 1} }}" * (i > 0)),
        "}",
        "tune {",
        many(size, lambda i: f'level.card.node.c{i}.value = choice("a{i}", "b{i}")'),
        "}",
    )


def unknown(size: int) -> str:
    """Names that nothing has, nearly those of others or looking like them; names twice; settings and kinds unknown."""
    return model(
        "features user {",
        many(size, lambda i: f"feature{i} = category()\nx{i} = cross(of: [feture{i}, feature{i}])"),
        many(size, lambda i: f"b{i} = nummber()\nn{i} = number(quantile: 8)\nl{i} = list(of: fature{i})"),
        many(
            size,
            lambda i: f"s{i} = list(of: x{i})\nm{i} = cross(of: [x{i}, m{i}])\nn\N{CYRILLIC SMALL LETTER A}{i} = id()",
        ),
        "}",
        "level page {",
        many(size, lambda i: f"node page{i}\nnode a\nnode q{i} {{ value = same }}"),
        "}",
        "level card {\nunder = page",
        many(size, lambda i: f"node n{i} {{ under = [pagee{i}, p\N{CYRILLIC SMALL LETTER A}ge{i}] }}"),
        "}",
        "tasks {",
        many(size, lambda i: f"task task{i} {{ after = tassk{i} }}"),
        "}",
        "train {",
        many(size, lambda i: f"epoch{i} = 3\nlength = 3 epochs"),
        "}",
        many(size, lambda i: f"trainn{i} {{ epochs = 3 }}"),
        "tune {",
        many(size, lambda i: f"trainn.epochs{i} = choice(1, 2)"),
        "}",
    )


def circle(size: int) -> str:
    return model(
        "features u { a = id() }", "tasks {", many(size, lambda i: f"task t{i} {{ after = t{(i + 1) % size} }}"), "}"
    )


def levels(size: int) -> str:
    return model(
        "features u { a = id() }",
        many(size, lambda i: f"level l{i} {{ under = l{i - 1}; node n{i} }}" if i else "level l0 { node n0 }"),
        "tasks { task click }",
    )


def imports(size: int) -> str:
    files = many(size, lambda i: f'import i{i} "gone{i}.aesm"')
    return "\n".join(("aesm = 1", files, "model m {", "use = [", many(size, lambda i: f"j{i}.g,"), "]\n}"))


def as_json(size: int) -> str:
    nodes = [{"name": f"n{i}", "valeu": ["x"], "value": 3} for i in range(size)]
    features = {f"f{i}": {"call": "nummber"} for i in range(size)}
    spec = {"edition": 1, "name": "m", "features": [{"name": "u", "members": features}]}
    spec |= {"levels": [{"name": "page", "nodes": nodes}], "tasks": {"tasks": [{"name": "a"}]}}
    return json.dumps(spec | {f"traain{i}": 3 for i in range(size)})


@pytest.mark.parametrize("text", [everything, unknown, circle, levels, imports, as_json])
def test_the_work_grows_with_the_text(text: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_names, "MOST_COMPARED", 20)
    path = "m.json" if text is as_json else "m.aesm"
    # The paths of imports are followed file by file, which takes many steps.
    assert steep(lambda size: check(text(size), path), 4 if text is imports else 7) == {}
    if text is everything:
        assert list(check(text(8))) == []


BROKEN: dict[str, Callable[[int], str]] = {
    "unclosed strings": lambda n: many(n, lambda i: f'a{i} = "x'),
    "unclosed strings of one line": lambda n: "a = " + '"x\N{RIGHT DOUBLE QUOTATION MARK} ' * n,
    "escaped quotes": lambda n: 'a = "' + '\\"' * n,
    "full-width signs": lambda n: "a = " + "\N{FULLWIDTH COLON}" * n,
    "open lists": lambda n: many(n, lambda i: f"a{i} = ["),
    "open blocks": lambda n: many(n, lambda i: f"a b{i} {{"),
    "a list of many lines": lambda n: "a = [\n" + "f(x: 1),\n" * n,
    "closers": lambda n: "}\n)]" * n,
    "wrong closers of one line": lambda n: "a = " + "[1) " * n,
    "pairs and one closer": lambda n: "a = [" + "[1], " * n + "]]",
    "blocks and one closer": lambda n: " a b { }" * n + "}",
    "comments below a block": lambda n: "a b {\n" + "# c\n" * n,
    "backticks": lambda n: many(n, lambda i: f"a{i} = `x`"),
    "comments of C": lambda n: many(n, lambda i: f"// {i}"),
    "merge conflicts": lambda n: many(n, lambda i: f"<<<<<<< a\nx{i} = 1\n=======\nx{i} = 2\n>>>>>>> b"),
    "values missing": lambda n: many(n, lambda i: f"a{i} ="),
    "separators missing": lambda n: " ".join(f"a{i} = 3" for i in range(n)),
}
"""Texts that cannot be parsed."""


@pytest.mark.parametrize("kind", BROKEN)
def test_the_work_of_repairs_grows_with_the_text(kind: str) -> None:
    # As many mistakes are repaired as are told, 50; from there on the work may not grow faster than the text.
    assert steep(lambda size: check(model("tasks { task a }", BROKEN[kind](size))), 55) == {}


def spelt(matches: Iterable[object]) -> int:
    return len(list(matches))


def test_a_string_without_an_end_is_searched_once() -> None:
    assert spelt(COMMENT.finditer('"' + '\\"' * 500)) == 1
    assert [match.group("comment") for match in COMMENT.finditer('a = "x \\" # why\n"y" # b')] == [
        None,
        "# why",
        None,
        "# b",
    ]


def test_names_are_compared_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_names, "MOST_COMPARED", 250)
    names = KnownNames(f"feature{number}" for number in range(100))
    found = [names.nearest(f"fature{number}") for number in range(5)]
    assert found == ["feature0", "feature1", "feature2", None, None]
    # What costs no comparison is found all the same.
    assert names.nearest("FEATURE7") == "feature7"
    assert names.nearest("fe\N{CYRILLIC SMALL LETTER A}ture8") == "feature8"
    assert names.nearest("x" * 101) is None
    assert "feature7" in names
    assert len(names) == 100
