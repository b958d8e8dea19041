"""Specs in JSON: one to one with the language, and every mistake located. tests/json_mistakes is the corpus.

Beside each FILE.json of the corpus, FILE.txt holds what a person is told; `pytest --accept` writes what is told now.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aesm_dsl.api.check import check
from aesm_dsl.api.compile import compile_spec
from aesm_dsl.findings.codes import pages
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.load import load
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.read_json import add_json_paths
from aesm_dsl.spec.write import write
from tests.conftest import PROJECT, examples
from tests.invented import Invent
from tests.spec.mutated import mutate
from tests.worlds import clean

FOLDER = PROJECT / "tests" / "json_mistakes"
CORPUS = sorted(FOLDER.glob("*.json"))
SPECS = sorted((PROJECT / "specs").glob("*.aesm"))


def told(text: str) -> tuple[Spec | None, Findings]:
    findings = Findings()
    spec = load(Source("spec.json", text), findings)
    if spec is not None:
        compile_loaded(spec, findings)
    add_json_paths(findings)
    return spec, findings


def json_of(spec: Spec) -> str:
    return spec.model_dump_json(by_alias=True, indent=2)


def is_one_to_one(spec: Spec) -> None:
    text = json_of(spec)
    back, findings = told(text)
    # A setting that is a default in one is written in the other, so warnings may differ.
    assert not findings.errors, render(findings)
    assert back == spec
    assert json_of(back) == text
    assert Spec.model_validate_json(text) == spec
    assert Spec.parse(write(back)) == spec


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_specs_are_one_to_one(path: Path) -> None:
    findings = Findings()
    spec = load(Source(str(path), path.read_text(encoding="utf-8")), findings)
    clean(findings)
    assert spec is not None
    is_one_to_one(spec)
    is_one_to_one(compile_spec(path).spec)


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(40))
def test_any_spec_is_one_to_one(random: Random) -> None:
    is_one_to_one(Spec.parse("\n".join(Invent(random).lines)))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.fixed_dictionaries(dict.fromkeys(("title", "doc", "column", "label", "value", "file"), TEXTS)))
@settings(max_examples=examples(60))
def test_texts_of_any_characters_are_one_to_one(texts: dict[str, str]) -> None:
    """Quotes, line ends, control characters, full-width punctuation and look-alikes, in every place that has a text."""
    column = {"call": "equals", "column": texts["column"], "value": texts["value"]}
    data = {
        "edition": 1,
        "name": "m",
        "title": texts["title"],
        "doc": texts["doc"],
        "features": [{"name": "u", "members": {"a": {"call": "number", "column": texts["column"]}}}],
        "levels": [{"name": "l", "nodes": [{"name": "x", "value": [texts["value"]]}, {"name": "yy"}]}],
        "tasks": {"tasks": [{"name": "t", "label": texts["label"]}, {"name": "v", "label": column}]},
        "data": {"train": [texts["file"]]},
    }
    back, findings = told(json.dumps(data))
    assert {item.code for item in findings.errors} <= {"E308"}, render(findings)  # the value may be a node's name
    assert back is not None
    assert back == Spec.model_validate_json(json.dumps(data))
    assert [back.title, back.data and back.data.train] == [texts["title"], (texts["file"],)]
    if not findings.errors:
        assert Spec.parse(write(back)) == back


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(30))
def test_whatever_is_left_out_has_its_default(random: Random) -> None:
    """JSON without the values that are defaults anyway is the same spec."""
    spec = Spec.parse("\n".join(Invent(random).lines))
    short = json.dumps(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"edition": 1})
    back, findings = told(short)
    assert not findings.errors, render(findings)
    assert back == spec


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=examples(60))
def test_whatever_is_written_is_told_at_its_place(random: Random, changes: int) -> None:
    spec = Spec.parse("\n".join(Invent(random).lines))
    data = spec.model_dump(mode="json", by_alias=True)
    for _ in range(changes):
        mutate(data, random)
    text = json.dumps(data, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 1)))
    for item in told(text)[1]:
        assert item.span is not None
        assert item.span.source.text == text
        assert 0 <= item.span.start <= item.span.end <= len(text)
        assert item.span.start == 0 or any(line.startswith("this is `") for line in item.help), item


@given(st.randoms(use_true_random=False), st.data())
@settings(max_examples=examples(60))
def test_damaged_json_is_told_once(random: Random, data: st.DataObject) -> None:
    text = json_of(Spec.parse("\n".join(Invent(random).lines)))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(("", '"', "{", "]", ",", "\\", "\x00", "0", "é", "\ud83d")))
    changed = text[:place] + other + text[place + 1 :]
    try:
        json.loads(changed)
        sound = True
    except json.JSONDecodeError:
        sound = False
    findings = told(changed)[1]
    assert ([item.code for item in findings] == ["E111"]) >= (not sound)


def test_it_compiles_to_the_same_plan(tmp_path: Path) -> None:
    for path in SPECS:
        compiled = compile_spec(path)
        (tmp_path / "spec.json").write_text(json_of(compiled.spec), encoding="utf-8")
        assert compile_spec(tmp_path / "spec.json").plan == compiled.plan


def test_set_takes_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text((FOLDER / "fine_whole.json").read_text(encoding="utf-8"), encoding="utf-8")
    assert compile_spec(path, overrides=["level.card.experts.count=6"]).spec.levels[1].experts.count == 6
    (item,) = check(path, ["level.card.experts.count=0"])
    assert (item.code, item.span and item.span.source.path) == ("E302", "--set")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_mistake(path: Path, golden: Callable[[Path, str], None]) -> None:
    with chdir(FOLDER):
        findings = check(path.name)
    golden(path.with_suffix(".txt"), render(findings) or "no findings\n")
    code = path.stem.partition("_")[0]
    if code == "fine":
        clean(findings)
    else:
        assert code in {item.code for item in findings}
    places = [item.span for item in findings]
    assert len(places) == len(set(places)), "two findings at one place"


def test_the_corpus_is_found() -> None:
    assert len(CORPUS) >= 60
    files = set(FOLDER.iterdir())
    assert files == {*CORPUS, *(path.with_suffix(".txt") for path in CORPUS)}
    seen = {path.stem.partition("_")[0] for path in CORPUS} - {"fine"}
    assert seen <= set(pages())
    assert len(seen) >= 20
