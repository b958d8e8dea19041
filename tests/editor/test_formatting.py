"""Formatting as edits of lines, and the outline."""

from __future__ import annotations

from pathlib import Path

import pytest

from aesm_dsl.editor.outline import OutlineEntry, outline_of
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.fix import apply_edits
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.format_text import format_edits, format_text
from tests.editor.texts import SHOP, at, changed
from tests.findings.test_mistakes import CORPUS

FINE = [path for path in CORPUS if path.parent.name == "mistakes" and path.stem.startswith("fine_")]


@pytest.mark.parametrize("path", FINE, ids=lambda path: path.stem)
def test_the_edits_write_what_fmt_writes(path: Path) -> None:
    source = Source(path.name, path.read_bytes().decode("utf-8"))
    assert apply_edits(source.text, format_edits(source)) == format_text(source, Findings())


def test_lines_that_are_right_are_left_alone() -> None:
    assert format_edits(Source("shop.aesm", SHOP)) == []
    (edit,) = format_edits(Source("shop.aesm", changed("  tasks {", "  tasks   {")))
    assert edit.text == "  tasks {\n"


def test_a_text_with_faulty_syntax_is_left_alone() -> None:
    assert format_edits(Source("shop.aesm", changed("  tasks {", "  tasks = {"))) == []


def test_the_outline() -> None:
    def names(found: tuple[OutlineEntry, ...]) -> dict[str, object]:
        return {f"{one.kind} {one.name}": names(one.inside) for one in found}

    outline = outline_of(at(SHOP + "|")[0].file)
    assert names(tuple(outline)) == {
        "model shop": {
            "features user": {"feature age": {}, "feature city": {}},
            "experts experts": {},
            "level page": {"node home": {}, "node cart": {}},
            "level card": {"node fund": {}, "node bond": {}, "node note": {}, "experts experts": {}},
            "tasks tasks": {"task click": {}, "task buy": {}},
            "train train": {},
        }
    }
    (model,) = outline
    assert model.detail == "店"
    for inner in model.inside:
        assert inner.whole.start <= inner.head.start <= inner.head.end <= inner.whole.end
