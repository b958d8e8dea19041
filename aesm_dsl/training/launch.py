"""Which of how many processes this is, as torchrun, or whoever sets its variables, says. Loads no library."""

from __future__ import annotations

import os

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def world() -> int:
    """How many processes were started to train together; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in VARIABLES) else 1


def rank() -> int:
    """The number of this process, from 0: the first one tells and writes."""
    return int(os.environ["RANK"]) if world() > 1 else 0
