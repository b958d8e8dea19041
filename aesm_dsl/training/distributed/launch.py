"""How many processes train together, and which one this is: what torchrun sets in the environment. Loads no library."""

from __future__ import annotations

import os
import time

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Span

FIRST_SAYS = 5.0
"""Seconds that the others wait for the first process to print why all end: torchrun kills all as soon as one ends."""

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def world_size() -> int:
    """Returns how many processes were started to train together; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in VARIABLES) else 1


def rank() -> int:
    """Returns the number of this process, from 0. The first one prints and writes."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def refuse_many(command: str, place: Span | None) -> None:
    """Raises AesmError (E609) in every process of torchrun, for a command that trains many runs, each in one process.

    Args:
        command: such as "compare".
        place: the start of the spec.
    """
    if world_size() == 1:
        return
    if rank() > 0:
        time.sleep(FIRST_SAYS)
    findings = Findings()
    findings.add(
        "E609",
        f"`aesm {command}` takes one process, and torchrun has started {world_size()}",
        place,
        label="trained many times over, by itself",
        help=f"`aesm {command} SPEC` without torchrun; only `aesm train` shares one training among processes",
    )
    raise AesmError(findings)
