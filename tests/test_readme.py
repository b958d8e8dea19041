"""README.md: its spec and its mistake are what aesm reads and says, and its table has every command."""

from __future__ import annotations

import re
import subprocess
import sys

import typer.main

from aesm_dsl.cli.main import app
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.render import render
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.load import load
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SPEC = next(block for block in BLOCKS if block.startswith("aesm = 1"))


def told(text: str) -> str:
    findings = Findings()
    load(Source("fund_search.aesm", text), findings)
    return render(findings)


def test_the_spec_is_sound() -> None:
    assert told(SPEC) == ""


def test_the_mistake_is_told_as_it_stands_there() -> None:
    shown = next(block for block in BLOCKS if block.startswith("error["))
    wrong = SPEC.replace("{ under = search }", "{ under = 理财tab }")
    assert wrong != SPEC
    assert told(wrong) == f"{shown}\n1 error\n"


def test_the_table_has_every_command() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert len(commands) > 8
    assert set(re.findall(r"^\| `aesm (\w+)", README, re.MULTILINE)) == commands


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aesm_dsl", "explain", "E203"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:5]) == (0, "E203:"), done.stderr
