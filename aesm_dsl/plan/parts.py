"""`Part`: a tensor of a network's state, with a name for each index along each of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

MEAN = "mean"
"""In `Axis.start`: a new index starts as the mean over the whole old axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a tensor, divided into named runs of neighbouring indices; a run's indices differ only by number."""

    kind: str
    """What the indices stand for, in words: "nodes", "experts", "inputs", ..."""
    runs: Mapping[str, int]
    """Maps the name of each run to its length, in order."""
    start: tuple[str, ...] = ()
    """Where a new index takes its initial value from: the first of these runs that the old axis has, or MEAN. If empty,
    it starts untrained."""

    @property
    def size(self) -> int:
        return sum(self.runs.values())

    def starts(self) -> dict[str, int]:
        """Maps the name of each run to its first index."""
        return dict(zip(self.runs, accumulate(self.runs.values(), initial=0), strict=False))


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of the state, or consecutive rows of one."""

    name: str
    """Its name, which does not depend on its position in the network."""
    owner: str
    """What it belongs to for a reader: a feature, a level, a layer of a level, a task."""
    state: str
    """Its key in the network's `state_dict`."""
    axes: tuple[Axis, ...]
    """Its axes; their sizes are its shape, or the shape it is viewed as."""
    first: int = 0
    """Index of its first row in a table that several features share."""
    from_file: bool = False
    """Whether its values come from a file and are not trained; such a part is not carried over."""

    @property
    def numel(self) -> int:
        count = 1
        for axis in self.axes:
            count *= axis.size
        return count
