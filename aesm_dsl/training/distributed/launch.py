"""Which of how many processes this is, as torchrun, or whoever sets its variables, says. Loads no library."""

from __future__ import annotations

import os
import time

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Span

FIRST_SAYS = 5.0
"""Seconds in which the first process has said why all end: torchrun ends them as soon as one has."""

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def world_size() -> int:
    """How many processes were started to train together; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in VARIABLES) else 1


def rank() -> int:
    """The number of this process, from 0: the first one tells and writes."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def refuse_many(command: str, place: Span | None) -> None:
    """Raises AesmError (E609) in every one of several processes, where a command trains many runs of one process."""
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
