"""The first mutants of the corpus: never a traceback, always a finding inside the text, or success."""

from __future__ import annotations

from pathlib import Path

import pytest

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.syntax.characters import FULL_WIDTH
from tests.conftest import PROJECT
from tests.fuzz.judge import faults
from tests.fuzz.mutate import Mutant, corpus, mutant

MUTANTS, CHUNK = 800, 100
SPEC = (PROJECT / "specs" / "fund_search.aesm").read_text(encoding="utf-8")
MEGABYTE = 1_000_000


def test_the_corpus_is_found() -> None:
    specs, mistakes = (list((PROJECT / folder).glob("*.aesm")) for folder in ("specs", "tests/mistakes"))
    assert len(mistakes) > 200
    assert len(corpus()) >= len(specs) + len(mistakes) + 3
    assert {Path(one.path).suffix for one in corpus()} == {".aesm", ".json"}


@pytest.mark.parametrize("first", range(0, MUTANTS, CHUNK))
def test_mutants(first: int) -> None:
    for seed in range(first, first + CHUNK):
        found = faults(mutant(seed))
        assert not found, f"seed {seed}, {mutant(seed).content[:2000]!r}:\n" + "\n".join(found)


def test_a_seed_gives_the_same_mutant_and_two_seeds_two() -> None:
    assert [mutant(seed) for seed in range(200)] == [mutant(seed) for seed in range(200)]
    assert len({mutant(seed).content for seed in range(200)}) > 190


@pytest.mark.parametrize("piece", ["基", "[", 'a = "x'])
def test_a_line_of_a_megabyte(piece: str) -> None:
    place = SPEC.index("  level card")
    text = f"{SPEC[:place]}{piece}{piece[-1] * MEGABYTE}\n{SPEC[place:]}"
    assert not faults(Mutant("spec.aesm", text.encode()))


def test_the_judge_sees_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its rules, broken on purpose."""
    spec, odd = Mutant(str(PROJECT / "specs" / "fund_search.aesm"), SPEC.encode()), Mutant("spec.aesm", b"'\x00'")
    assert not faults(spec)
    assert not faults(odd)

    def judged(mutant: Mutant, name: str, broken: object) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(name, broken)
            return "\n".join(faults(mutant))

    def load(source: Source, findings: Findings) -> None:
        findings.add("E999", "one", source.span(0, len(source.text) + 1))
        findings.add("E107", "two")

    said = judged(spec, "tests.fuzz.judge.load", load)
    assert "the code E999 is not known" in said
    assert "E999 lies outside the text" in said
    assert "E107 has no place" in said
    assert "not sound with 0 errors" in judged(spec, "tests.fuzz.judge.compile_loaded", lambda spec, findings: None)
    assert judged(odd, "aesm_dsl.findings.render.printable", str).splitlines() == [
        "full prints U+0000",
        "github prints U+0000",
    ]
    assert "TypeError" in judged(odd, "aesm_dsl.syntax.parse.MOST_MISTAKES", None)
    assert "the layout is not stable" in judged(
        spec, "tests.fuzz.judge.format_text", lambda source, told: source.text + "\n"
    )
    assert "says something else" in judged(spec, "tests.fuzz.judge.format_text", lambda source, told: "aesm = 1\n")
    assert "the layout gives {'E4" in judged(spec, "tests.fuzz.judge.format_text", lambda source, told: "model m {}\n")
    monkeypatch.setattr("tests.fuzz.judge._MOST_SECONDS_A_BYTE", 0)
    assert "too slow" in judged(spec, "tests.fuzz.judge._MOST_SECONDS", 1e-3)


def test_punctuation_of_another_keyboard_alone_is_mended() -> None:
    wide = {key: other for other, key in FULL_WIDTH.items() if key not in '"#.-'}
    assert not faults(Mutant(str(PROJECT / "specs" / "fund_search.aesm"), SPEC.translate(str.maketrans(wide)).encode()))
