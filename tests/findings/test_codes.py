"""The codes, their pages, and `aesm explain`."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from aesm_dsl.cli.explain import show_codes, show_page
from aesm_dsl.cli.main import app
from aesm_dsl.findings.codes import families, pages
from aesm_dsl.findings.render import render
from tests import pages as examples
from tests.conftest import PROJECT
from tests.findings.test_mistakes import CORPUS, split, told

CODE = re.compile(r"[EW]\d{3}")
CODES = list(pages())


def test_the_codes_told_are_the_codes_listed() -> None:
    """A code is told by being handed to a function: `findings.add("E203", ...)`."""
    sources = list((PROJECT / "aesm_dsl").rglob("*.py"))
    assert len(sources) > 80
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    handed = {code for tree in trees for call in ast.walk(tree) if isinstance(call, ast.Call) for code in _codes(call)}
    written = {code for tree in trees for code in _constants(tree)}
    assert handed == set(CODES)
    assert written <= set(CODES)


def _codes(call: ast.Call) -> Iterator[str]:
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        match argument:
            case ast.Constant():
                yield from _constants(argument)
            case ast.IfExp(body=body, orelse=other):
                yield from _constants(ast.Tuple([body, other]))


def _constants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value


def test_every_section_is_a_page_and_every_page_is_in_its_family() -> None:
    folder = PROJECT / "aesm_dsl" / "findings" / "pages"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert list(families()) == sorted(texts)
    assert sum(text.count("\n## ") for text in texts.values()) == len(CODES)
    for family, text in texts.items():
        inside = re.findall(r"^## (\S+):", text, re.MULTILINE)
        assert inside == sorted(inside)
        assert {code[:2] for code in inside} == {family}
    for page in pages().values():
        assert page.meaning
        assert page.wrong
        assert page.right
        assert page.why
        assert not page.title.endswith(".")


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_example_gives_the_code_and_the_right_form_gives_nothing(code: str, tmp_path: Path) -> None:
    for name in ("wrong", "right"):
        (tmp_path / name).mkdir()
    assert {item.code for item in examples.wrong(pages()[code], tmp_path / "wrong")} == {code}
    found = examples.right(pages()[code], tmp_path / "right")
    assert not found.items, render(found)


def test_the_document_of_codes(tmp_path_factory: pytest.TempPathFactory, golden: Callable[[Path, str], None]) -> None:
    """docs/codes.md: every page, what is said of its example, and what else its code says in the corpus of mistakes."""
    others: dict[str, dict[str, tuple[str, ...]]] = {}
    for path in CORPUS:
        for item in told(path.name, split(path.read_bytes().decode("utf-8"))[0]):
            others.setdefault(item.code, {}).setdefault(item.message, item.help)
    lines = [
        "# Codes",
        "",
        "Every finding has a code. `aesm explain E203` prints the page of one; this document holds all of them.",
        "",
    ]
    for family, about in families().items():
        lines += [f"- [{family}: {about}](#{family.lower()}-{about.lower().replace(' ', '-').replace(',', '')})"]
    for family, about in families().items():
        lines += ["", f"## {family}: {about}"]
        for page in (page for page in pages().values() if page.family == family):
            folder = tmp_path_factory.mktemp(page.code)
            findings = examples.wrong(page, folder)
            said = render(findings).replace(f"{folder}/", "").rstrip()
            said = re.sub(r"`\S+/aesm/tables/\w+`", "`~/.cache/aesm/tables/5f3b`", said)
            shown = {item.message.replace(f"{folder}/", "") for item in findings}
            before, after = page.text.split("\nRight:\n")
            lines += ["", f"### {page.code}: {page.title}", "", before, "aesm says:", "", "```text", said, "```", ""]
            lines += ["Right:", after]
            more = [message for message in others.get(page.code, {}) if message not in shown]
            if more:
                lines += ["", "It also says:", ""]
                lines += [f"- {'; '.join([message, *others[page.code][message][:1]])}" for message in more]
    golden(PROJECT / "docs" / "codes.md", "\n".join(lines) + "\n")


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments])


def test_explain_prints_a_page_as_plain_text() -> None:
    done = explain("e304")
    assert done.exit_code == 0
    assert (
        done.stdout
        == """\
E304: a unit is missing

This setting is a number with its unit.

Wrong:

    train {
      length = 5
    }

Right:

    train {
      length = 5 epochs
    }

Why: `5` could be epochs or steps, and the difference is a night of training.
"""
    )
    assert "    # train.csv\n    age,click\n" in explain("E501").stdout


def test_explain_lays_a_page_out_on_a_terminal() -> None:
    out = StringIO()
    show_page(pages()["E304"], Console(file=out, force_terminal=True, color_system="standard", width=80))
    assert "\x1b[" in out.getvalue()
    assert "```" not in out.getvalue()
    assert "length" in out.getvalue()


def test_explain_lists_all_codes_by_family() -> None:
    done = explain()
    assert done.exit_code == 0
    for family, about in families().items():
        assert f"\n{family}  {about}\n" in f"\n{done.stdout}"
    for page in pages().values():
        assert f"  {page.code}  {page.title}\n" in done.stdout
    out = StringIO()
    show_codes([*families()], Console(file=out, force_terminal=True, color_system="standard", width=120))
    assert "\x1b[1m" in out.getvalue()


def test_explain_lists_one_family() -> None:
    shown = explain("e5").stdout
    assert shown.startswith(f"E5  {families()['E5']}\n")
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    assert listed == [code for code, page in pages().items() if page.family == "E5"]
    assert [one["code"] for one in json.loads(explain("E5", "--format", "json").stdout)] == listed


def test_explain_prints_json() -> None:
    one = json.loads(explain("W502", "--format", "json").stdout)
    assert (one["code"], one["severity"]) == ("W502", "warning")
    assert [each["language"] for each in one["wrong"]] == ["aesm", "csv"]
    assert [each["name"] for each in one["right"]] == ["train.csv"]
    everything = json.loads(explain("--format", "json").stdout)
    assert [each["code"] for each in everything] == CODES


def test_an_unknown_code_is_wrong_usage() -> None:
    done = explain("E230")
    assert done.exit_code == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "there is no code `E230`; did you mean `E2" in said
    assert explain("hello").exit_code == 2
    assert "`aesm explain` lists all codes" in " ".join(explain("hello").stderr.replace("│", " ").split())
    assert explain("E203", "E204").exit_code == 2


def test_explain_needs_neither_torch_nor_polars() -> None:
    script = (
        "import sys\nfrom aesm_dsl.cli.main import app\napp(['explain', 'E203'], standalone_mode=False)\n"
        "assert not {'torch', 'polars'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert (done.returncode, done.stdout[:5]) == (0, "E203:"), done.stderr
