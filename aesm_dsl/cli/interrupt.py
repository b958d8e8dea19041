"""Ctrl-C while a library is being loaded ends the command at once.

Several libraries catch whatever goes wrong while they load parts of themselves, KeyboardInterrupt too: it would be
swallowed, or come back later as an error of theirs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aesm_dsl.files.temporary import remove_own

IMPORT_SYSTEM = "<frozen importlib"
"""How the file names of Python's own import system begin, in frames."""


@contextmanager
def ends_while_loading() -> Iterator[None]:
    """Within the block, SIGINT ends the process if it arrives during an import; else it is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORT_SYSTEM):
            remove_own()
            sys.stderr.write("interrupted; nothing was written\n")
            sys.stderr.flush()
            # Not sys.exit: that is an exception too, which whoever imports may swallow.
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt
