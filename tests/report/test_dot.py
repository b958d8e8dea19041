"""Text made safe for DOT."""

from __future__ import annotations

import pytest

from aesm_dsl.report.dot import dot_string, span


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
    assert dot_string(text) == expected


def test_spans_escape_xml_and_graphviz() -> None:
    assert "&lt;b&gt; &amp; &quot;\\\\N&quot;" in span('<b> & "\\N"', 10)
    assert span(" \n", 10) == ""
