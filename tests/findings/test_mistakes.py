"""The corpus of mistakes: each file is a spec with its mistake, and below it, behind `#! `, what a person is told.

A line `#: --set PATH=VALUE` in a file stands for the flag. Files that they import lie in mistakes/imported.
`pytest --accept` writes what is told now.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from aesm_dsl.findings.codes import pages
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.spec.load import load
from aesm_dsl.spec.spec_file import MOST_SPEC_BYTES, read_source
from tests.conftest import PROJECT

FOLDER = PROJECT / "tests" / "mistakes"
CORPUS = sorted(FOLDER.glob("*.aesm"))
SEEN = "#! "


def told(name: str, source: str) -> Findings:
    findings = Findings()
    overrides = [line.removeprefix("#: --set ") for line in source.splitlines() if line.startswith("#: --set ")]
    with chdir(FOLDER):
        spec = load(Source(name, source), findings, overrides)
    if spec is not None:
        compile_loaded(spec, findings)
    return findings


def split(text: str) -> tuple[str, str]:
    """The source and what is expected below it."""
    start = 0 if text.startswith(SEEN) else text.find(f"\n{SEEN}") + 1
    return (text[:start], text[start:]) if start or text.startswith(SEEN) else (text, "")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_mistake(path: Path, request: pytest.FixtureRequest) -> None:
    source, expected = split(path.read_bytes().decode("utf-8"))
    findings = told(path.name, source)
    shown = "".join(f"{SEEN}{line}".rstrip() + "\n" for line in render(findings).splitlines())
    shown = shown or f"{SEEN}no findings\n"
    if request.config.getoption("--accept"):
        path.write_bytes((source + shown).encode("utf-8"))
        return
    assert shown == expected
    code = path.stem.partition("_")[0]
    if code == "fine":
        assert not findings.errors
    else:
        assert code in {item.code for item in findings}, f"{path.name} does not give {code}"


def test_the_corpus_is_found() -> None:
    assert len(CORPUS) >= 280
    assert len({path.stem for path in CORPUS}) == len(CORPUS)
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} == {".aesm"}, (
        "something else lies in the corpus"
    )


def test_every_imported_file_is_asked_for() -> None:
    everything = "".join(path.read_bytes().decode("utf-8", "replace") for path in FOLDER.rglob("*.aesm"))
    imported = sorted(path for path in (FOLDER / "imported").rglob("*.aesm"))
    assert len(imported) >= 10
    assert not [path for path in imported if f'{path.name}"' not in everything]


def test_every_mistake_about_a_text_is_in_the_corpus() -> None:
    """E110 is about a file that cannot be read: below. E111 is about JSON: tests/syntax."""
    families = ("E1", "E2", "E3", "E4", "W1")
    seen = {path.stem.partition("_")[0] for path in CORPUS}
    missing = {code for code in pages() if code.startswith(families)} - seen
    assert missing <= {"E110", "E111"}, missing


def test_nothing_is_told_twice() -> None:
    for path in CORPUS:
        findings = told(path.name, split(path.read_bytes().decode("utf-8"))[0])
        places = [(item.span.start, item.span.source.path) for item in findings if item.span]
        assert len(places) == len(set(places)), f"{path.name}: two findings at one place"


def test_every_finding_says_what_to_do() -> None:
    for path in CORPUS:
        for item in told(path.name, split(path.read_bytes().decode("utf-8"))[0]):
            assert item.help, f"{path.name}: {item.message}"
            assert item.label or item.span is None, f"{path.name}: {item.message}"
            for line in (item.message, item.label, *item.help):
                assert not line.endswith("."), f"{path.name}: {line}"
                assert line[:1] == line[:1].lower() or line.startswith('"'), f"{path.name}: {line}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gbk.aesm").write_bytes('aesm = 1\nmodel x "基金" {}\n'.encode("gbk"))
    with (tmp_path / "large.aesm").open("wb") as large:
        large.truncate(MOST_SPEC_BYTES + 1)
    for path in (*(tmp_path / f"{name}.aesm" for name in ("gbk", "nothing", "large")), tmp_path, Path("/dev/zero")):
        findings = Findings()
        assert read_source(path, findings) is None
        (item,) = findings
        assert item.code == "E110"
        assert f"`{path}`" in item.message
        assert item.help
