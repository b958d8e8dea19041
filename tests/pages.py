"""Runs the examples of the pages about codes, as a reader would: in a folder of their own."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from io import StringIO
from itertools import takewhile
from pathlib import Path
from textwrap import indent
from unittest.mock import patch

import polars as pl
from typer.testing import CliRunner

from aesm_dsl.api.check import check
from aesm_dsl.cli.main import app
from aesm_dsl.files.manifest import DamagedError
from aesm_dsl.findings.codes import Example, Page
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.training.run.stop_signals import StopSignals

TABLE = "age,click\n" + "".join(f"{20 + row % 7},{row % 2}\n" for row in range(40))


ABSENT = {"E607": "torchjd"}
"""Codes about a library that is not installed: their wrong example runs as if it were not."""

INSTALLED = {"E612": {"torchrec": "1.5.0", "fbgemm-gpu": "1.5.0"}}
"""Versions of TorchRec and fbgemm that a wrong example finds."""


def wrong(page: Page, folder: Path) -> Findings:
    """What is told of the page's wrong example."""
    found = INSTALLED.get(page.code, {})
    if page.code == "E516":
        with patch("aesm_dsl.data.reading.data_file._stated_rows", lambda file: 3):
            return _told(page.wrong, folder, warns=False)
    if page.code == "W528":
        with patch("aesm_dsl.data.store.cache.open_manifest", side_effect=DamagedError("`train/ids.npy` missing")):
            return _told(page.wrong, folder, warns=True)
    if page.code == "W607":
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with patch("aesm_dsl.training.run.checkpoint.write_tensors", side_effect=full):
            return _told(page.wrong, folder, warns=True)
    with without(ABSENT.get(page.code)), patch("aesm_dsl.training.preconditions.torchrec_versions", lambda: found):
        return _told(page.wrong, folder, page.code.startswith("W"))


@contextmanager
def without(library: str | None) -> Iterator[None]:
    """As if a library were not installed."""
    if library is None:
        yield
        return
    before = sys.modules.get(library)
    sys.modules[library] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[library]
        if before is not None:
            sys.modules[library] = before


def right(page: Page, folder: Path) -> Findings:
    """What is told of its right form; files that it does not show again stay as they were in the wrong one."""
    warns = page.code.startswith("W")
    again = {(one.language, one.name.partition(",")[0]) for one in page.right}
    kept = [one for one in page.wrong if (one.language, one.name.partition(",")[0]) not in again]
    return _told([*page.right, *kept], folder, warns)


def _told(examples: Sequence[Example], folder: Path, warns: bool) -> Findings:
    tables = dict(_table(one) for one in examples if one.language == "csv")
    commands = [line for one in examples if one.language == "console" for line in one.text.splitlines()]
    specs = [one for one in examples if one.language in ("aesm", "json") and not one.name]
    text, ending = (specs[0].text, specs[0].language) if specs else ("", "aesm")
    spec = folder / f"spec.{ending}"
    spec.write_text(text if ending == "json" else whole(text, bool(tables or commands)), encoding="utf-8")
    made_up = {"train.csv": TABLE} if commands or not tables else {}
    for name, table in {**made_up, **tables}.items():
        if name.endswith(".parquet"):
            lists = pl.col("vector").str.json_decode(pl.List(pl.Float64))
            pl.read_csv(StringIO(table)).with_columns(lists).write_parquet(folder / name)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(table, encoding="utf-8")
    for one in examples:
        if one.language == "aesm" and one.name:
            path = folder / one.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(one.text, encoding="utf-8")
    with chdir(folder), patch.dict(os.environ):
        os.environ.pop("AESM_DATA", None)
        return _run(commands, warns) if commands else check(spec.name, data=bool(tables))


def _table(example: Example) -> tuple[str, str]:
    """Its name and text; `train.csv, each row 40 times` is a table that is too long to show."""
    name, _, times = example.name.partition(", each row ")
    header, *rows = example.text.splitlines(keepends=True)
    return name, header + "".join(rows) * int(times.removesuffix(" times") or 1)


def whole(part: str, data: bool = False) -> str:
    """A part of a model as a whole file: what it says nothing about is made up."""
    if re.search(r"^(model|aesm)\b", part, re.MULTILINE):
        return part
    made_up = {"features": "features user { age = number() }", "tasks": "tasks { task click }"}
    made_up |= {"data": 'data { train = "train.csv" }'} if data else {}
    lines = [line for kind, line in made_up.items() if not re.search(rf"^{kind}\b", part, re.MULTILINE)]
    inside = indent(part, "  ", lambda line: not line.startswith(("<<<<<<<", "=======", ">>>>>>>")))
    return f"aesm = 1\n\nmodel example {{\n{inside}{indent(chr(10).join(lines), '  ')}\n}}\n"


def _run(commands: Sequence[str], warns: bool) -> Findings:
    """What the last command tells; the ones before it succeed. Warnings of a command that succeeds count if asked."""
    warnings = Findings()
    for place, line in enumerate(commands, 1):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        variables = list(takewhile(lambda word: "=" in word, words))
        os.environ.update(one.split("=", 1) for one in variables)
        _, *arguments = words[len(variables) :]
        if line.startswith("$ torchrun --nproc-per-node 2 -m aesm_dsl "):
            arguments = arguments[4:]
            os.environ.update(RANK="0", WORLD_SIZE="2", MASTER_ADDR="", MASTER_PORT="")  # as the first of two
        stops = line.endswith("# stopped with Ctrl-C")
        if arguments[0] == "check":
            overrides = [arguments[i + 1] for i, one in enumerate(arguments) if one == "--set"]
            return check(arguments[1], overrides)
        with ExitStack() as patches:
            for command in ("compile", "evaluate", "predict", "train"):
                patches.enter_context(patch(f"aesm_dsl.cli.{command}.warn", warnings.extend))
            patches.enter_context(patch.object(StopSignals, "asked", signal.SIGINT * stops))
            done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, AesmError):
            assert place == len(commands), line
            return done.exception.findings
        assert done.exit_code == (130 if stops else 0), done.output
    return warnings if warns else Findings()
