"""A command in a process of its own, followed by strace, which may kill it or fail one of its calls."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import PROJECT
from tests.kills.operations import CHANGING, Operation, operations
from tests.kills.state import OTHERS

KILL, FULL = "signal=SIGKILL", "error=ENOSPC"

LONGEST_S = 600.0
"""How long a command may take."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    code: int
    """The exit code; negative for the signal that ended it."""
    out: str
    err: str
    operations: tuple[Operation, ...] = ()
    """What it did to files below its folder, if strace watched."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@cache
def why_not() -> str:
    """Why no process can be followed here; empty if one can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        command = ["strace", "-p", str(sleeper.pid), "-o", os.devnull]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            said = tracer.stderr.readline().strip()
            tracer.terminate()
        sleeper.kill()
    return "" if said.endswith("attached") else f"strace may not follow a process: {said}"


class Server:
    """Runs commands, each forked from a process that has loaded the libraries.

    Args:
        slow: load those too that take seconds, and that few commands need.
    """

    def __init__(self, *, slow: bool = True) -> None:
        self._slow = slow

    def __enter__(self) -> Self:
        self._scratch = Path(tempfile.mkdtemp(prefix="aesm-kills-"))
        # One thread, and sets in the same order: then a command does the same operations every time.
        alike = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "0"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.server", *["--slow"] * self._slow],
            cwd=PROJECT,
            env={**os.environ, **alike},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._number()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()
        self._server.communicate()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        at: Operation | None = None,
        what: str = KILL,
        *,
        watch: bool = False,
        meanwhile: Callable[[int, Path], None] | None = None,
    ) -> Ended:
        """Runs a command.

        Args:
            words: the command without `aesm`.
            folder: the working folder, which holds the caches too.
            at: an operation at which strace does something to the process.
            what: what it does, in its own words: KILL or FULL.
            watch: have strace note the operations on files.
            meanwhile: called with the process and the file of its standard error, once the process has begun.
        """
        out, err, trace = (self._scratch / name for name in ("out", "err", "trace"))
        err.write_bytes(b"")
        environment = {"XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(self._scratch)}
        order = {"words": words, "folder": str(folder), "environment": environment, "out": str(out), "err": str(err)}
        order["alike"] = watch or at is not None
        self._say(json.dumps(order))
        child = self._number()
        tracer = None
        if watch or at is not None:
            tracer = _followed(child, trace, [] if at is None else at.options(what))
        self._say("go")
        if meanwhile is not None:
            meanwhile(child, err)
        status = self._number(child)
        if tracer is not None:
            _wait(tracer)
        done = operations(trace.read_text(errors="replace"), folder, OTHERS) if tracer is not None else ()
        return Ended(os.waitstatus_to_exitcode(status), out.read_text(errors="replace"), err.read_text(), done)

    def _say(self, line: str) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(f"{line}\n".encode())
        self._server.stdin.flush()

    def _number(self, child: int | None = None) -> int:
        """The server's answer. A child that keeps it waiting too long is killed by SIGABRT."""
        assert self._server.stdout is not None
        if child is not None and not select.select([self._server.stdout], [], [], LONGEST_S)[0]:
            os.kill(child, signal.SIGABRT)
        return int(self._server.stdout.readline())


def _followed(child: int, trace: Path, inject: Sequence[str]) -> subprocess.Popen[bytes]:
    """strace, once it follows the process and all that come of it."""
    calls = ",".join(f"?{name}" for name in CHANGING)
    command = ["strace", "-f", "-p", str(child), "-o", str(trace), "-y", "-s", "0", "-e", "signal=none"]
    command += ["-e", f"trace={calls}", *inject]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert b"attached" in line, line + tracer.stderr.read()
    return tracer


def _wait(tracer: subprocess.Popen[bytes]) -> None:
    """Waits for strace to end, which it does when all processes have."""
    try:
        tracer.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.communicate()
