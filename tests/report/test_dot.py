"""Text made safe for DOT."""

from __future__ import annotations

import pytest

from aesm_dsl.report.dot import plain, quoted, shortened, span, width_ems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash\\", '"back\\\\slash\\\\"'),
        ("two\nlines\tand\u2028more", '"two lines and more"'),
        ("bell\x07null\x00\ud800", '"bellnull"'),
        ("主搜", '"主搜"'),
    ],
)
def test_quoted(text: str, expected: str) -> None:
    assert quoted(text) == expected


def test_spans_escape_xml_and_graphviz() -> None:
    assert "&lt;b&gt; &amp; &quot;\\\\N&quot;" in span('<b> & "\\N"', 10)
    assert span(" \n", 10) == ""


def test_shortened() -> None:
    assert shortened("主搜", 2) == "主搜"
    assert shortened("主搜页面长名字", 4) == "主搜页…"
    long = shortened("x" * 10_000, 20)
    assert long.endswith("x…")
    assert width_ems(long) <= 20.5
    assert plain("  a   b ") == "a b"
