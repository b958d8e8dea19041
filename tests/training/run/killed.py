"""A training that is killed again and again, and goes on each time: `python -m tests.training.run.killed ORDER.json`.

Every life is a process of its own, forked from one that has loaded the libraries and nothing else. It is killed before
a step, between the writing of a checkpoint and its appearance, or by a timer wherever it happens to be.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from aesm_dsl.api.train import train
from aesm_dsl.files import whole
from aesm_dsl.training.fit.step import Stepper


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(chance: random.Random) -> str:
    """Sees to it that this process will be killed; returns how."""
    way, number = chance.choice(("step", "write", "time")), chance.randint(1, 4)
    if way == "time":
        threading.Timer(chance.uniform(0.1, 0.5), die).start()
    elif way == "step":
        step, left = Stepper.step, [number]

        def count(self: Stepper, *given: Any) -> Any:
            left[0] -= 1
            return die() if left[0] < 0 else step(self, *given)

        Stepper.step = count  # type: ignore[method-assign]
    else:
        replace, writes = os.replace, [number]

        def rename(*given: Any) -> Any:
            writes[0] -= 1
            return die() if writes[0] < 0 else replace(*given)

        whole.os.replace = rename  # type: ignore[assignment]
    return way


def main(order: dict[str, Any]) -> None:
    """Prints how many lives ended by SIGKILL, and whether the last one came to its end."""
    chance, killed = random.Random(order["seed"]), 0
    for life in range(order["kills"] + 1):
        seed, last = chance.random(), life == order["kills"]
        child = os.fork()
        if not child:
            if not last:
                arm(random.Random(seed))
            train(order["spec"], order["out"], resume=True, device="cpu", overrides=order["overrides"])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        if os.WIFEXITED(status):
            break
    print(json.dumps({"killed": killed, "left": os.WEXITSTATUS(status)}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
