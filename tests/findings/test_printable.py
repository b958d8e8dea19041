"""Text of users reaches a terminal without signs that act on it, and not without end."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.table import Table

from aesm_dsl import AesmError, Spec, check, prepare
from aesm_dsl.cli import output
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.printable import BIDI, printable_lines, shortened
from aesm_dsl.findings.render import FORMATS, render
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.write import write
from aesm_dsl.syntax.parse import parse

ACTING = "\x1b]0;title\x07\x9b31m\u202e\u2028\r"


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"json"}))
def test_no_finding_acts_on_a_terminal(form: str) -> None:
    source = Source(f"dir{ACTING}/spec.aesm", f"model x {ACTING}")
    findings = Findings()
    findings.add("E101", f"`{ACTING}`", source.span(0, 5), label=ACTING, help=f"`{ACTING}`")
    text = render(findings, form)
    assert [sign for sign in text if not sign.isprintable() and sign != "\n"] == []


@pytest.mark.parametrize("sign", [*BIDI, "\x1b", "\x07", "\x08", "\r", "\x9b", "\u2028", "\x00", "\udcff"])
def test_what_is_printed_acts_on_no_terminal(
    sign: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(title=f"a{sign}title", caption=f"a{sign}caption")
    table.add_column(f"a{sign}head")
    table.add_row(f"a{sign}cell")
    output.print_table(table)
    output.say(f"wrote a{sign}file")
    output.print_line(f"a{sign}line")
    captured = capsys.readouterr()
    assert sign not in captured.out + captured.err
    for word in ("title", "caption", "head", "cell", "line"):
        assert f"a\N{REPLACEMENT CHARACTER}{word}" in captured.out
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for stream, shown in ((terminal, "a\N{REPLACEMENT CHARACTER}"), (io.StringIO(), f"a{sign}")):
        monkeypatch.setattr(sys, "stdout", stream)
        output.print_text(f"a{sign}\n")
        assert stream.getvalue() == f"{shown}\n", "what is piped into a file stays as it is"


def test_what_people_write_stays() -> None:
    for text in ("基金\tfund\n", "é ñ ü", "👩‍💻", "שלום"):
        assert printable_lines(text) == text.replace("\t", "    ")


def test_long_values_are_cut() -> None:
    value = "x" * 100_000
    assert shortened(f"`{value}` is not a number") == f"`{'x' * 80}...` (100,000 characters) is not a number"
    assert shortened(f"a `b` and `{value}` and `c`") == f"a `b` and `{'x' * 80}...` (100,000 characters) and `c`"
    path = "/data/" + "a" * 200 + "/rows.csv"
    assert shortened(f"no file `{path}`") == f"no file `{path}`"
    assert len(shortened(f"no file `{'/x' * 50_000}`")) < 200
    long_sentence = "`a` " + "is a word of many that stand here " * 5 + "`b`"
    assert shortened(long_sentence) == long_sentence


SPEC = """
model m {{
  features row {{ x = number() }}
  level page {{
    node home
    node cart
  }}
  tasks {{ task click }}
  data {{ train = "{path}" }}
}}
"""


def test_a_cell_or_a_name_without_end_gives_a_short_message(tmp_path: Path) -> None:
    long = "p" * 100_000
    table = pl.DataFrame({"x": ["1.0", long] * 20, "page": ["home", long] * 20, "click": ["0", long] * 20})
    table.write_csv(tmp_path / "rows.csv")
    (tmp_path / "spec.aesm").write_text(SPEC.format(path="rows.csv"), encoding="utf-8")
    with pytest.raises(AesmError) as caught:
        prepare(tmp_path / "spec.aesm")
    text = render(caught.value.findings)
    assert "(100,000 characters)" in text
    assert len(text) < 5_000
    named = (
        SPEC.format(path="rows.csv").replace("home", long).replace("task click", f"task click {{ after = {long}x }}")
    )
    (tmp_path / "spec.aesm").write_text(named, encoding="utf-8")
    found = check(tmp_path / "spec.aesm")
    assert found.errors
    assert len(render(found)) < 5_000


def test_a_bidirectional_control_is_told() -> None:
    for sign in BIDI:
        text = f'model m {{\n  tasks {{ task click "a{sign}b" }}  # {sign}\n}}\n'
        findings = Findings()
        parse(Source("spec.aesm", text), findings)
        (finding,) = [item for item in findings if item.code == "W108"]
        assert f"sign, U+{ord(sign):04X}, changes the order" in finding.message
        assert "and 1 more such signs follow" in finding.message
        assert finding.span is not None
        assert finding.span.text == sign
        assert finding.span.line == 2


def test_invisible_signs_are_written_by_their_number() -> None:
    spec = Spec.parse(
        'model m {\n  features row { x = number() }\n  tasks { task click "a\\u202eb\\u001b\\ud800c\\\\u0041" }\n}\n'
    )
    text = write(spec)
    assert '"a\\u202eb\\u001bud800c\\\\u0041"' in text
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert write(Spec.parse(text)) == text
