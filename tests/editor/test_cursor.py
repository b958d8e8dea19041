"""Where a place stands, in text that is whole and in text that is half typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aesm_dsl.editor.cursor import BlockHead, EnclosingValue, context_at


def site(text: str) -> tuple[list[str], str, list[str]]:
    """Blocks with their names, the setting, and calls and lists with the argument."""
    found = context_at(text.replace("|", ""), text.index("|"))
    blocks = [f"{one.kind} {one.name}".strip() for one in found.blocks]
    return blocks, found.key, [f"{one.call}({one.argument}" if one.call else "[" for one in found.nests]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|", ([], "", [])),
        ("model shop { |", (["model shop"], "", [])),
        ('model shop "店" { level page { under = |', (["model shop", "level page"], "under", [])),
        ("level page { under = home; |", (["level page"], "", [])),
        ("level page { under = home\n|", (["level page"], "", [])),
        ("level page { } |", ([], "", [])),
        ("experts { hidden = [64, |", (["experts"], "hidden", ["["])),
        ("train { optimizer = adam(rate: |", (["train"], "optimizer", ["adam(rate"])),
        ("train { optimizer = adam(rate: 1, |", (["train"], "optimizer", ["adam("])),
        ("features u { a = list(of: id(|", (["features u"], "a", ["list(of", "id("])),
        ("features u { a = list(of: id(), |", (["features u"], "a", ["list("])),
        ("features u { a = id(\n  buckets: |\n) }", (["features u"], "a", ["id(buckets"])),
        # Left open: the next setting, block or brace shows where the value must have ended.
        ("train { optimizer = adam(rate: 1\n batch = |", (["train"], "batch", [])),
        ("level page { under = [home }\n tasks { |", (["tasks"], "", [])),
        # Full-width keys count as what was meant.
        ("features u ｛ a ＝ id（buckets： |", (["features u"], "a", ["id(buckets"])),
        # Strings and comments hold no keys.
        ('data { train = "a { b = (" # {\n |', (["data"], "", [])),
        ("data { train = “a { b” \n |", (["data"], "", [])),
        ('data { train = "open {\n |', (["data"], "", [])),
    ],
)
def test_where_a_place_stands(text: str, expected: tuple[list[str], str, list[str]]) -> None:
    assert site(text) == expected


def test_what_a_place_touches() -> None:
    text = "train { batch = 4096 rows }"
    touched = {offset: context_at(text, offset).token for offset in range(len(text) + 1)}
    assert {one.text for one in touched.values() if one} == {"train", "batch", "4096", "rows"}
    for offset, token in touched.items():
        if token is not None:
            assert token.start <= offset <= token.end
    assert context_at(text, text.index("batch") + 2).following == "="
    assert [one.text for one in context_at(text, text.index("rows")).before] == ["4096"]


def test_the_arguments_given_so_far() -> None:
    text = "train { optimizer = adam(rate: 1e-3, weight_decay: "
    assert context_at(text, len(text)).nests == (EnclosingValue("adam", "weight_decay", ("rate", "weight_decay")),)
    assert context_at(text, len(text)).blocks == (BlockHead("train", ""),)


@given(st.text(alphabet='ab {}[]()=:;,"#\n0｛＝“”', max_size=60), st.data())
def test_no_text_is_too_broken(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    found = context_at(text, offset)
    assert found.token is None or found.token.start <= offset <= found.token.end
    assert len(found.blocks) <= text.count("{") + text.count("｛")
    assert len(found.nests) <= text.count("(") + text.count("[")
