"""Trains by one option after the other: `python -m tests.bits.trained FOLDER RUNS WAY OPTION ...`.

FOLDER is one of `write_world`; the runs are put into RUNS. The way is `whole`; or `stopped`, at the third step; or
`resumed`, from there to the end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from aesm_dsl import train
from aesm_dsl.training.fit.step import Stepper
from aesm_dsl.training.run.stop_signals import StoppedError
from tests.bits.options import ALL

STOP_AT = 3


def train_one(spec: Path, out: Path, options: tuple[str, ...], way: str) -> None:
    """Trains a run, or a part of it."""
    step, steps = Stepper.step, [0]

    def count(self: Stepper, *given: Any) -> Any:
        steps[0] += 1
        if steps[0] == STOP_AT:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    if way == "stopped":
        Stepper.step = count  # type: ignore[method-assign]
    try:
        train(spec, out, device="cpu", overrides=[*options, "train.checkpoint=none"], resume=way == "resumed")
    except StoppedError:
        assert way == "stopped"
    finally:
        Stepper.step = step  # type: ignore[method-assign]


def main() -> None:
    folder, runs, way, *names = sys.argv[1:]
    cache = f'data.cache="{Path(runs).name}"'
    for name in names:
        train_one(Path(folder) / "bits.aesm", Path(runs) / name, (*ALL[name], cache), way)


if __name__ == "__main__":
    main()
