"""Ctrl-C while a library that swallows it is being loaded, also in the middle of a file."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from aesm_dsl.cli.interrupt import ends_while_loading

GREEDY = """
import sys
import time

print("loading", flush=True)
try:
    time.sleep(60)
except BaseException:
    pass
"""

COMMAND = """
from pathlib import Path

from aesm_dsl.cli.interrupt import ends_while_loading
from aesm_dsl.files.whole import replaced

with ends_while_loading(), replaced(Path("scores.csv")) as new:
    new.write_text("a part")
    import greedy
print("went on", flush=True)
"""


def test_it_ends_at_once_though_the_library_swallows_it(tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(textwrap.dedent(GREEDY), encoding="utf-8")
    (tmp_path / "command.py").write_text(textwrap.dedent(COMMAND), encoding="utf-8")
    running = subprocess.Popen(
        [sys.executable, "command.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "loading\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=50)
    assert running.returncode == 130
    assert out == ""
    assert err == "interrupted; nothing was written\n"
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"command.py", "greedy.py"}, "a part of what it wrote is left"


def test_elsewhere_it_is_a_keyboard_interrupt_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ends_while_loading():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
