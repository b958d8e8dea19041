"""Counts the steps of Python that a call takes, so that a test can tell linear work from quadratic without a clock.

A step is a line that runs, or one round of a loop within a line. Steps are counted for every piece of code by itself: a
loop over pairs shows in its own count long before it shows in the whole. What C does, such as copying a text, is not
seen.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

STEEP = 3.0
"""Twice the size is twice the work, or four times if it is quadratic."""
FEW = 200
"""Pieces of code that take fewer steps are not looked at."""


def steps(call: Callable[[], object]) -> Counter[CodeType]:
    """Returns the steps that a call takes, by piece of code."""
    counts: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        counts[frame.f_code] += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    finally:
        sys.settrace(before)
    return counts


def steep(call: Callable[[int], object], size: int) -> dict[str, tuple[int, int, int]]:
    """Returns the pieces of code whose steps grow faster than the size, with those for 1, 2 and 4 times the size."""
    call(size)  # what is done once in a process, such as building the parser
    first, second, third = (steps(lambda factor=factor: call(size * factor)) for factor in (1, 2, 4))
    return {
        f"{code.co_filename.rpartition('aesm_dsl')[2]}:{code.co_firstlineno} {code.co_name}": (
            first[code],
            second[code],
            third[code],
        )
        for code in third
        if third[code] > FEW and third[code] - second[code] > STEEP * max(second[code] - first[code], 1)
    }
