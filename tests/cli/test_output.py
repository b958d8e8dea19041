"""Where standard output cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

FULL = Path("/dev/full")


def explained(redirect: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m aesm_dsl explain E601 {redirect}"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_it_is_named() -> None:
    done = explained(f"> {FULL}")
    assert (done.returncode, done.stderr) == (1, "error: standard output: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="words of a POSIX shell")
@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_traceback(redirect: str) -> None:
    done = explained(redirect)
    assert (done.returncode, done.stderr) == (0, "")
