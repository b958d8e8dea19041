"""A process that has loaded all libraries, and forks one for every command: `python -m tests.kills.server --slow`.

Each order is a line of JSON with "words" (the command), "folder", "environment", "out" and "err" (files), and "alike":
whether temporary files have the same names every time. The answer is the number of the process, which waits until a
line is read; a second answer is its status, as `os.waitpid` gives it.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import importlib
import json
import os
import pkgutil
import secrets
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import aesm_dsl
from aesm_dsl.cli.main import main

LATE = (
    "onnxscript",
    "optuna",
    "optuna.storages._rdb.storage",
    "rich.progress",
    "sqlalchemy.dialects.sqlite",
    "torch._dynamo",
    "torch.onnx._internal.exporter._core",
    "torch.utils.tensorboard",
    "uvicorn.server",
)
"""What commands load as they run, beside the modules of aesm. Not onnxruntime, which starts threads."""

SLOW = ("aesm_dsl.editor", "aesm_dsl.serving.onnx", "onnx", "optuna", "sqlalchemy", "torch._dynamo", "torch.onnx")
"""What takes seconds to load, and is needed by few commands."""


def load(*, slow: bool) -> None:
    """Loads everything that is installed; what is SLOW only if asked for."""
    names = [module.name for module in pkgutil.walk_packages(aesm_dsl.__path__, "aesm_dsl.")]
    for name in (*names, *LATE):
        if not name.endswith("__main__") and (slow or not name.startswith(SLOW)):
            with suppress(ImportError):
                importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads is not forked"
    gc.freeze()  # a collection would touch, and so copy, what the processes share


def serve() -> dict[str, Any] | None:
    """Reads orders and forks; returns an order in the new process, and None at the end of all orders."""
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        wait, go = os.pipe()
        child = os.fork()
        if not child:
            os.close(go)
            os.read(wait, 1)
            os.close(wait)
            return order
        os.close(wait)
        answer(child)
        sys.stdin.readline()
        os.close(go)
        answer(os.waitpid(child, 0)[1])
    return None


def answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def become(order: dict[str, Any]) -> None:
    """Makes this process one that a shell would have started."""
    os.chdir(order["folder"])
    os.environ.update(order["environment"])
    tempfile.tempdir = None  # as TMPDIR says now
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, number)
        os.close(file)
    if order["alike"]:
        secrets.token_hex = names()  # type: ignore[assignment]
    sys.argv = ["aesm", *order["words"]]


def names() -> Callable[[int], str]:
    """Returns what draws the same names for temporary files every time: strace can be told of them."""
    drawn = count()
    return lambda size: hashlib.sha256(str(next(drawn)).encode()).hexdigest()[: 2 * size]


def run() -> int:
    """Runs the command; returns its exit code."""
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(code: int) -> None:
    """Ends the process as Python does, except that what is in memory is not taken apart: that touches all of it."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    load(slow="--slow" in sys.argv)
    answer(os.getpid())
    if (given := serve()) is not None:
        become(given)
        end(run())
