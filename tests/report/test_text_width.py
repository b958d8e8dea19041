"""Widths of text: as Graphviz measures them, cut to fit, and held where a browser has other fonts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aesm_dsl.report.dot import Area, document, span, text_block
from aesm_dsl.report.draw import draw
from aesm_dsl.report.structure_graph import structure_graph
from aesm_dsl.report.text_width import fix_text_widths, one_line, shortened, width_ems
from tests.report.cases import make_hierarchy
from tests.report.test_draw import needs_chinese_font, needs_pygraphviz

TEXTS = ("主搜 search", "WWWMMM", "iiill", "a very long label, 100% of it", "Ünïcödé", "e0 · 12%", "ｱｲｳ Ａ")


def test_shortened() -> None:
    assert shortened("主搜", 2) == "主搜"
    assert shortened("主搜页面长名字", 4) == "主搜页…"
    long = shortened("x" * 10_000, 20)
    assert long.endswith("x…")
    assert width_ems(long) <= 20
    assert one_line("  a   b ") == "a b"
    assert len(shortened("i" * 100, 10)) > 2 * len(shortened("W" * 100, 10))
    assert width_ems("search", bold=True) > width_ems("search")


@needs_pygraphviz
@needs_chinese_font
@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_widths_are_those_of_the_font(text: str, bold: bool, tmp_path: Path) -> None:
    """Graphviz measures the first text of a line to know where the second one begins."""
    label = span(text, 200, bold=bold) + span("|", 200)
    draw(document("a", [text_block("a", Area(0, 0, 10, 200), label)]), tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    first, second = (float(x) for x in re.findall(r'<text [^>]*\bx="([^"]+)"', svg))
    assert second - first == pytest.approx(200 * width_ems(text, bold=bold), rel=0.01)


def test_a_text_is_held_to_its_width() -> None:
    svg = '<text x="1" font-weight="bold" font-size="20.00" fill="#000">A&amp;主</text>'
    length = 20 * (0.641 + 0.740 + 1)
    assert fix_text_widths(svg) == svg.replace(">A", f' textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs">A')
    for other in (svg.replace("主", "Ω"), svg.replace("A&amp;主", " ")):
        assert fix_text_widths(other) == other


@needs_pygraphviz
@needs_chinese_font
def test_no_text_leaves_its_box(tmp_path: Path) -> None:
    """Whatever font a browser takes: where a text begins and how long it is held stand in the picture."""
    long = {"n" * 60: "很长" * 30, "b": "W" * 40, "c": "i" * 40, "d": 'a label, of words with "marks" & more'}
    draw(structure_graph(make_hierarchy({"entry": long, "page_of_a_long_name": {"e": "主搜"}}, [])), tmp_path / "a.svg")
    seen = 0
    for group in re.findall(r'class="node">.*?</g>', (tmp_path / "a.svg").read_text(encoding="utf-8"), re.DOTALL):
        outline = re.search(r'<path fill="white"[^>]* d="([^"]+)"', group)
        if outline is None:
            continue
        xs = [float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", outline[1])]
        for x, length in re.findall(r'<text [^>]*\bx="([^"]+)"[^>]* textLength="([^"]+)"', group):
            assert min(xs) < float(x) < float(x) + float(length) < max(xs), group
            seen += 1
    assert seen == 10
