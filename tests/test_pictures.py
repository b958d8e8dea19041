"""The pictures of docs/method.md are those that docs/pictures/method.py draws, and show what the text says."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import PROJECT

FOLDER = PROJECT / "docs" / "pictures"
NUMBER = re.compile(r"-?\d+\.?\d*")


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    drawn: dict[str, str] = runpy.run_path(str(FOLDER / "method.py"))["pictures"]()
    return drawn


def alike(one: str, other: str) -> bool:
    """The same but for a point or two: processors differ in the last digit of what noise is drawn from."""
    numbers = zip_longest(NUMBER.findall(one), NUMBER.findall(other), fillvalue="inf")
    return NUMBER.sub("", one) == NUMBER.sub("", other) and all(abs(float(a) - float(b)) <= 1 for a, b in numbers)


def test_the_pictures_are_those_that_are_drawn(pictures: dict[str, str], golden: Callable[[Path, str], None]) -> None:
    page = (PROJECT / "docs" / "method.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\(pictures/([a-z]+\.svg)\)", page)) == sorted(pictures)
    assert {path.name for path in FOLDER.glob("*.svg")} == set(pictures)
    for name, svg in pictures.items():
        if not alike((FOLDER / name).read_text(encoding="utf-8"), svg):
            golden(FOLDER / name, svg)


def test_a_layer_shows_the_selection_and_its_mixture(pictures: dict[str, str]) -> None:
    """Two specific experts and a shared one; the weights of the three are all of the mixture."""
    root = ElementTree.fromstring(pictures["layer.svg"])
    texts = [(one.get("class", ""), one.text or "") for one in root.iter() if one.tag.endswith("}text")]
    weights = [int(words[:-1]) for look, words in texts if look.endswith("-ink") and words.endswith("%")]
    assert len(weights) == 3
    assert sum(weights) in (99, 100, 101)
    assert sum(words.startswith("e") and words[1:].isdigit() for _, words in texts) == 6


def test_every_text_lies_in_its_picture(pictures: dict[str, str]) -> None:
    part = {"start": 0.0, "middle": 0.5, "end": 1.0}
    for name, svg in pictures.items():
        root = ElementTree.fromstring(svg)
        width = float(root.get("width", "nan"))
        for one in root.iter("{http://www.w3.org/2000/svg}text"):
            left = float(one.get("x", "")) - part[one.get("text-anchor", "")] * float(one.get("textLength", ""))
            assert 16 <= left <= left + float(one.get("textLength", "")) <= width - 16, f"{name}: {one.text}"


def test_colours_follow_light_and_dark(pictures: dict[str, str]) -> None:
    for svg in pictures.values():
        style = re.search(r"<style>(.*)</style>", svg, re.S)
        assert style is not None
        light, dark = style[1].split("@media (prefers-color-scheme: dark)")
        used = set(re.findall(r'class="([a-z-]+)"', svg))
        assert used <= set(re.findall(r"\.([a-z-]+) {", light))
        assert used - {"arrow", "tip"} <= set(re.findall(r"\.([a-z-]+) {", dark)), "grey enough for both"
