"""n independent mistakes give exactly n findings, each with its code at its line: nothing is hidden, nothing echoes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.import_file import resolve_path
from aesm_dsl.spec.load import load
from tests.conftest import PROJECT, SWEEP
from tests.invented import Invent
from tests.planted import Planted, independent, plant, plants
from tests.worlds import THREE_LEVELS

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "specs").glob("*.aesm"))}
TEXTS["three_levels"] = THREE_LEVELS
TEXTS["in_one_line_blocks"] = """\
aesm = 1
model 商店 "店" {
    embed = 8
    features 人 { 年龄 = number(quantiles: 16); 城市 = category(min_count: 5) }
    # the pages
    level page { node home "首页" { value = ["a", "b"] }; node cart }
    level card {
        under = page; column = kind
        node fund { under = [home, cart] }
        ## documented
        node bond "债券"  # why not
        experts { hidden = [64, 32]; count = 4 }
    }
    tasks {
        task click { label = above(column: clicks, value: 0) }
        task buy   { after = click; label = equals(column: paid, value: "yes") }
        tower = [
            64,
            32,
        ]
    }
    train { batch = 512 rows; length = 5 epochs; seed = 7 }
    data { train = "a.csv"; valid = split(random: 10%) }
}
"""
SPECS = {name: text.splitlines() for name, text in TEXTS.items()}
SHARED_PATH = PROJECT / "specs" / "shared" / "hotel_features.aesm"
SHARED = SHARED_PATH.read_text(encoding="utf-8").splitlines()
PLANTS = {name: plants(lines) for name, lines in SPECS.items()}
CODES = sorted({one.code for found in PLANTS.values() for one in found})


def told(text: str) -> Findings:
    findings = Findings()
    spec = load(Source(str(PROJECT / "specs" / "spec.aesm"), text), findings)
    if spec is not None:
        compile_loaded(spec, findings)
    return findings


def check(lines: Sequence[str], chosen: Sequence[Planted]) -> None:
    text, expected = plant(lines, chosen)
    findings = told(text)
    seen = sorted(((item.code, item.span.line) for item in findings if item.span), key=lambda one: (one[1], one[0]))
    assert seen == expected, f"\n{[one.what for one in chosen]}\n{text}\n{render(findings)}"


def choose(found: Sequence[Planted], random: Random, most: int) -> list[Planted]:
    """Up to `most` independent mistakes, of many kinds."""
    chosen: list[Planted] = []
    by_code: dict[str, list[Planted]] = {}
    for one in found:
        by_code.setdefault(one.code, []).append(one)
    for _ in range(random.randint(1, most)):
        one = random.choice(by_code[random.choice(sorted(by_code))])
        if all(independent(one, other) for other in chosen):
            chosen.append(one)
    return chosen


@pytest.mark.parametrize("name", SPECS)
def test_the_specs_are_sound_without_a_mistake(name: str) -> None:
    assert not told(TEXTS[name]).items
    assert len(PLANTS[name]) > 100


def test_many_kinds_of_mistakes_are_planted() -> None:
    assert len(CODES) >= 20, CODES
    assert len({(one.code, one.what) for found in PLANTS.values() for one in found}) >= 80


@pytest.mark.parametrize("name", SPECS)
def test_one_mistake_gives_one_finding(name: str) -> None:
    """Every twelfth of them here, each in a sweep; the property tests below draw from all."""
    for one in PLANTS[name][:: 1 if SWEEP else 12]:
        check(SPECS[name], [one])


@given(st.sampled_from(sorted(SPECS)), st.randoms(use_true_random=False))
@settings(max_examples=600 if SWEEP else 60)
def test_many_mistakes_give_as_many_findings(name: str, random: Random) -> None:
    check(SPECS[name], choose(PLANTS[name], random, 8))


@given(st.randoms(use_true_random=False))
@settings(max_examples=400 if SWEEP else 40)
def test_many_mistakes_in_an_imported_file_give_as_many_findings(random: Random) -> None:
    """Each in that file, at its line, and nothing at the spec that imports it."""
    chosen = choose(plants(SHARED), random, 6)
    text, expected = plant(SHARED, chosen)
    findings = Findings()
    source = Source(str(PROJECT / "specs" / "hotel.aesm"), TEXTS["hotel"])
    spec = load(source, findings, texts={resolve_path(SHARED_PATH): text})
    if spec is not None:
        compile_loaded(spec, findings)
    assert {item.span and item.span.source.path for item in findings} == {str(SHARED_PATH)}, render(findings)
    seen = sorted(((item.code, item.span.line) for item in findings if item.span), key=lambda one: (one[1], one[0]))
    assert seen == expected, f"\n{[one.what for one in chosen]}\n{text}\n{render(findings)}"


@given(st.randoms(use_true_random=False))
@settings(max_examples=600 if SWEEP else 60)
def test_many_mistakes_in_a_spec_of_any_shape_give_as_many_findings(random: Random) -> None:
    lines = Invent(random).lines
    assert not told("\n".join(lines)).items
    check(lines, choose(plants(lines), random, 8))
