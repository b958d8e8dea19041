"""Reads documents as a reader would: their blocks, and what the commands in them print."""

from __future__ import annotations

import re
import shlex
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from aesm_dsl.cli.main import app
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.render import render
from tests.conftest import PROJECT
from tests.pages import whole

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
GENERATED = PROJECT / "docs" / "codes.md"
"""Made from the pages about codes, whose examples tests/findings/test_codes.py runs; its wrong examples stay wrong."""

_BLOCK = re.compile(
    r"^(?:<!-- (?P<remark>[^\n]*) -->\n)?```(?P<language>\w*) ?(?P<name>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `name` is the file it stands for; `remark` the comment right above it, which readers do not see.

    `<!-- mistake -->` marks a spec that is wrong on purpose, `<!-- not run: REASON -->` what no test can run.
    """

    document: Path
    line: int
    language: str
    name: str
    text: str
    remark: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def is_run(self) -> bool:
        return not self.remark.startswith("not run: ")

    @property
    def commands(self) -> list[str]:
        """The command lines of a block for the shell: in a `console` block those behind `$`, else all but comments."""
        lines = self.text.splitlines()
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line and not line.startswith("#")]


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        parts = match.groupdict(default="")
        found.append(Block(document, line, parts["language"], parts["name"], parts["text"], parts["remark"]))
    return found


def write_spec(block: Block, folder: Path) -> Path:
    """The spec of a block in a folder, under its name; of a part of a model the rest is made up."""
    path = folder / (block.name or "spec.aesm")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text if block.name else whole(block.text), encoding="utf-8")
    return path


def run(command: str, folder: Path, *, succeeds: bool = False) -> str:
    """What an `aesm` command prints, both streams together, typed in the folder."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "aesm", command
    with chdir(folder):
        done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0 or not succeeds, f"{command}\n{done.output}"
    if isinstance(done.exception, AesmError):
        return done.output + render(done.exception.findings)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def shown_anew(document: Path, folder: Path) -> str:
    """The document with its `console` blocks as they are now: below a `$ command` stands what it prints."""
    text = document.read_text(encoding="utf-8")
    for block in blocks(document):
        if block.language == "aesm":
            write_spec(block, folder)
        elif block.language == "console" and block.is_run:
            printed = "".join(f"$ {one}\n{run(one, folder)}" for one in block.commands)
            text = text.replace(f"```console\n{block.text}```", f"```console\n{printed}```")
    return text
