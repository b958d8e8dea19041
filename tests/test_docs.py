"""The documents hold: their specs check, their programs and commands run, what they point at exists.

Specs, programs and commands of one document run in one folder, in the order in which they stand: what one makes, the
next reads. docs/codes.md is made and run by tests/findings/test_codes.py.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import aesm_dsl
from aesm_dsl.api.check import check
from aesm_dsl.cli.main import app
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import format_file
from aesm_dsl.syntax.parse import parse
from tests.conftest import PROJECT
from tests.documents import DOCUMENTS, GENERATED, Block, blocks, run, write_spec

WRITTEN = [document for document in DOCUMENTS if document != GENERATED]
BLOCKS = [block for document in WRITTEN for block in blocks(document)]
SHELL = ("sh", "console")
PLAIN = ("", "text", "lua", "elisp", "json", "toml", "sql")
MADE = ("runs/", "fund/", "data/")
"""Where commands of the documents write, and files of the reader's own lie."""

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`([\w.-]+/[\w./-]*\.(?:py|md|aesm|json|toml|lark|yml))`")


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def test_the_documents_are_found() -> None:
    names = {path.name for path in WRITTEN}
    assert {"README.md", "CONTRIBUTING.md", "language.md", "tutorial.md", "method.md", "architecture.md"} <= names
    assert len(of("aesm")) >= 12
    assert len(of("python")) >= 4
    assert len(of(*SHELL)) >= 12
    assert {block.language for block in BLOCKS} <= {"aesm", "python", *SHELL, *PLAIN}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.remark], ids=str)
def test_a_mark_says_what_and_why(block: Block) -> None:
    assert block.remark == "mistake" or re.fullmatch(r"not run: .{10,}", block.remark), block.remark


@pytest.mark.parametrize("block", of("aesm"), ids=str)
def test_a_spec_is_sound_and_in_the_one_layout(block: Block, tmp_path: Path) -> None:
    for earlier in of("aesm"):
        if earlier.document == block.document and earlier.name and earlier.line < block.line:
            write_spec(earlier, tmp_path)
    path = write_spec(block, tmp_path)
    if block.remark == "mistake":
        assert check(path).errors
        return
    findings = Findings()
    file = parse(Source(str(path), block.text), findings)
    assert not findings.items, render(findings)
    assert format_file(file) == block.text
    is_groups = block.name and not any(
        isinstance(one, tree.Block) and one.kind.text == "model" for one in file.statements
    )
    if not is_groups:
        found = check(path)
        assert not found.items, render(found)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_a_program_uses_public_names_alone(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and node.module == "aesm_dsl":
            assert {one.name for one in node.names} <= set(aesm_dsl.__all__)


@pytest.mark.parametrize("block", of(*SHELL), ids=str)
def test_a_command_is_known_with_its_options(block: Block) -> None:
    for line in block.commands:
        words = shlex.split(line, comments=True)
        if words[0] == "aesm":
            assert _known(words[1:]), line
        else:
            assert words[:2] == ["make", words[-1]] or not block.is_run, f"{line}: mark the block as not run, with why"


def _known(arguments: list[str]) -> bool:
    """Whether there are the command and all its options; its help is asked for, so that nothing runs."""
    return CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: path.name)
def test_a_command_that_prose_names_is_known(document: Path) -> None:
    for command in re.findall(r"`aesm ([a-z]+)(?: [^=`][^`]*)?`", document.read_text(encoding="utf-8")):
        assert _known([command]), f"{document.name} names `aesm {command}`"


def test_an_unknown_command_or_option_is_seen() -> None:
    assert _known(["train", "spec.aesm", "--set", "train.seed=3"])
    assert not _known(["train", "spec.aesm", "--epochs", "3"])
    assert not _known(["trian", "spec.aesm"])


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: path.name)
def test_commands_and_programs_run(document: Path, tmp_path: Path) -> None:
    """Nothing is looked at but that they do what they say: that each succeeds, and finds what the ones before made."""
    runnable = [block for block in blocks(document) if block.is_run and block.language in ("python", "aesm", *SHELL)]
    if any(block.language != "aesm" for block in runnable):
        (tmp_path / "specs").symlink_to(PROJECT / "specs")
    for block in runnable:
        if block.language == "aesm":
            write_spec(block, tmp_path)
        elif block.language == "python":
            _program(block, tmp_path)
        else:
            for line in block.commands:
                if shlex.split(line, comments=True)[0] == "aesm":
                    run(line, tmp_path, succeeds=block.language == "sh")  # what `console` blocks print is shown


def _program(block: Block, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", block.text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_the_mistake_that_the_readme_shows_is_told_so(tmp_path: Path) -> None:
    found = blocks(PROJECT / "README.md")
    spec = next(one.text for one in found if "model fund_search" in one.text)
    shown = next(one.text for one in found if one.text.startswith("error["))
    assert spec.count("under = search") == 1
    (tmp_path / "fund_search.aesm").write_text(spec.replace("under = search", "under = 理财tab"), encoding="utf-8")
    assert run("aesm check fund_search.aesm", tmp_path) == f"{shown}\n1 error\n"


@pytest.mark.parametrize("block", of("json", "toml"), ids=str)
def test_data_can_be_read(block: Block) -> None:
    (json if block.language == "json" else tomllib).loads(block.text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in _LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", prose)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), f"{document.name} links to {target}"
        assert not anchor or anchor in _anchors(there), f"{document.name} links to {target}"


def _anchors(document: Path) -> list[str]:
    """The names of a document's headings, as GitHub makes them."""
    found: list[str] = []
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return found


def test_no_heading_of_the_reference_is_taken() -> None:
    """A link to `tasks` leads to the reference, not to a chapter of the tour with the same name."""
    assert not [one for one in _anchors(PROJECT / "docs" / "language.md") if re.search(r"-\d$", one)]


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: path.name)
def test_paths_that_are_named_exist(document: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    shown = {block.name for block in blocks(document)}
    for path in _PATH.findall(prose):
        around = (PROJECT, PROJECT / "aesm_dsl", document.parent)
        known = path in shown or path.startswith(MADE) or any((folder / path).exists() for folder in around)
        assert known, f"{document.name} names {path}"
