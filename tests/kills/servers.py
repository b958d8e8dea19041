"""`aesm serve`, killed while it shuts down: nothing in the folder changes, and a new server takes over its address."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from tests.conftest import within
from tests.kills.commands import TRAIN, Command
from tests.kills.disturb import Disturbed, Place
from tests.kills.state import left_at_end, state

SERVE = Command("serve", ("serve", "run", "--device", "cpu", "--port"), before=(TRAIN,))

ENDED = (0, -signal.SIGTERM)
"""The codes with which a server may end that was asked to."""

STEP_S = 0.004
"""Each kill comes so much later after SIGTERM than the one before."""


def killed_servers(place: Place, most: int) -> Disturbed:
    """Kills a server so often, each time a little later after SIGTERM."""
    place.begin(SERVE)
    before, result = state(place.work), Disturbed("serve, at its end", 0)
    for number in range(most):
        port = _free_port()
        words = (*SERVE.words, str(port))
        ended = place.run(words, meanwhile=_stop(port, number * STEP_S))
        if not ended.killed:
            break
        result.hits += 1
        wrong = left_at_end(state(place.work), before)
        again = place.run(words, meanwhile=_stop(port, None))
        if again.code not in ENDED or not re.search(rf"serving run at http://127.0.0.1:{port}\b", again.err):
            wrong.append(f"refused: {again.err[-300:]}")
        if wrong:
            result.faults[f"after {number * STEP_S:.3f} s"] = wrong
    return result


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _stop(port: int, kill_after: float | None) -> Callable[[int, Path], None]:
    """What stops a server once it answers; and kills it, if it is told after how many seconds."""

    def stop(child: int, err: Path) -> None:
        if not within(60, lambda: b"serving run at" in err.read_bytes() or not Path(f"/proc/{child}").exists()):
            os.kill(child, signal.SIGABRT)
        with suppress(OSError):
            urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=10).close()
            os.kill(child, signal.SIGTERM)
            if kill_after is not None:
                time.sleep(kill_after)
                os.kill(child, signal.SIGKILL)

    return stop
