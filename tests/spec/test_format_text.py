"""Texts in the one layout: line ends, the edition, full-width keys, and the proof that nothing else changed."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec import format_text as tidy_module
from aesm_dsl.spec.format_text import FULL_WIDTH_CODE, LayoutError, format_text
from aesm_dsl.syntax.brackets import MOST_MISTAKES
from aesm_dsl.syntax.parse import parse
from tests.conftest import PROJECT, examples
from tests.syntax.test_format import Scribbler

WIDE = dict(zip("{}[]():=,;", "｛｝［］（）：＝，；", strict=True))
COMMENT_OR_STRING = re.compile(r'("(?:[^"\\\n]|\\[^\n])*"|#[^\n]*)')
SPECS = sorted((PROJECT / "specs").rglob("*.aesm"))


def tidied(text: str) -> str:
    findings = Findings()
    found = format_text(Source("<test>", text), findings)
    assert not findings.items
    assert found is not None
    return found


def codes(text: str) -> list[str]:
    findings = Findings()
    assert format_text(Source("<test>", text), findings) is None
    return [one.code for one in findings.sorted()]


def test_there_are_specs() -> None:
    assert {path.name for path in SPECS} >= {"fund_search.aesm", "hotel.aesm"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_spec_of_the_project_is_in_the_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert tidied(text) == text


@settings(max_examples=examples(40))
@given(st.randoms(use_true_random=False), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_sound_text_is_brought_into_the_layout_and_stays_there(chance: Random, end: str) -> None:
    text = Scribbler(chance).file().replace("\r\n", "\n").replace("\n", end)
    once = tidied(text)
    assert "\r" not in once
    assert "\ufeff" not in once
    assert tidied(once) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model m {}", "aesm = 1\n\nmodel m {}\n"),
        ("## doc\nmodel m {}", "aesm = 1\n\n## doc\nmodel m {}\n"),
        ("# about m\n## doc\nmodel m {}", "aesm = 1\n\n# about m\n## doc\nmodel m {}\n"),
        ("# licence\n\n\n## doc\nmodel m {}", "# licence\n\naesm = 1\n\n## doc\nmodel m {}\n"),
        ("## doc\n\nmodel m {}", "aesm = 1\n\n## doc\n\nmodel m {}\n"),
        ("# a\n\n# b\n\nmodel m {}", "# a\n\n# b\n\naesm = 1\n\nmodel m {}\n"),
        ("#!/usr/bin/env aesm\nmodel m {}", "#!/usr/bin/env aesm\naesm = 1\n\nmodel m {}\n"),
        ("\ufeff\nmodel m {}", "aesm = 1\n\nmodel m {}\n"),
        ("\ufeff\ufeffmodel m {}", "aesm = 1\n\nmodel m {}\n"),
        ('import a "b.aesm"\nmodel m {}', 'aesm = 1\n\nimport a "b.aesm"\nmodel m {}\n'),
        ("model m {}\naesm = 1", "model m {}\naesm = 1\n"),
        ("# nothing is said\n", "# nothing is said\n"),
        ("", ""),
    ],
)
def test_a_missing_edition_is_added(before: str, after: str) -> None:
    assert tidied(before) == after
    assert tidied(after) == after


@given(st.randoms(use_true_random=False))
@settings(max_examples=examples(50))
def test_any_text_in_the_keys_of_another_keyboard_is_mended_to_what_was_meant(chance: Random) -> None:
    text = Scribbler(chance).file()
    pieces = COMMENT_OR_STRING.split(text)
    for position in range(0, len(pieces), 2):
        pieces[position] = "".join(
            WIDE[key] if key in WIDE and chance.random() < 0.3 else key for key in pieces[position]
        )
    wide = "".join(pieces)
    # A file tells its first MOST_MISTAKES mistakes: one with more is mended in rounds.
    for _ in range(1 + len(wide) // MOST_MISTAKES):
        findings = Findings()
        parse(Source("<test>", wide), findings)
        fixes = [fix for one in findings if one.code == FULL_WIDTH_CODE for fix in one.fixes]
        wide = apply_edits(wide, [edit for fix in fixes for edit in fix.edits])
    assert tidied(wide) == tidied(text)


def test_other_mistakes_are_told_at_their_place_in_the_file_as_it_is() -> None:
    findings = Findings()
    assert format_text(Source("<test>", "\ufeffmodel m {\r\n  a = \r\n}\r\n"), findings) is None
    (finding,) = findings.items
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (2, 5)
    assert codes("model m ｛ a = }")[1:] == ["E108"]


@pytest.mark.parametrize("printed", ["", "x = 2\n", "aesm = 1\nx = 1\n", "aesm = 1\nx = \n"])
def test_a_printer_that_fails_is_found_out(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy_module, "format_file", lambda file: printed)
    with pytest.raises(LayoutError, match=r"spec\.aesm was left alone"):
        format_text(Source("spec.aesm", "aesm=1\nx=1 # c"), Findings())


def test_a_printer_that_does_not_settle_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = iter(["x = 1; aesm = 1\n", "x = 1\naesm = 1\n"])
    monkeypatch.setattr(tidy_module, "format_file", lambda file: next(texts))
    with pytest.raises(LayoutError, match="once more"):
        format_text(Source("spec.aesm", "x=1;aesm=1"), Findings())
