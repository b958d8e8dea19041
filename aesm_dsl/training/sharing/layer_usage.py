"""`LayerUsage`: which experts the nodes of one layer used; and `Flow`, where rows go from one level to the next.

Axes: N nodes of the level, E experts. Numbers are counts of rows, shares in [0, 1] and mean mixture weights
(method.md eq. 6-7), all kept in float64. Loads no torch: pictures of a structure need none.
"""

from __future__ import annotations

from dataclasses import dataclass

Table = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """Which experts the nodes of one layer used. A node that no row visited has zeros everywhere."""

    level: str
    """Name of the level; the task level is "tasks"."""
    layer: int
    """Index in the level's stack, from 0."""
    nodes: tuple[str, ...]
    rows_N: tuple[int, ...]
    """Rows of each node."""
    specific_NE: Table
    """Share of the node's rows that selected the expert as specific."""
    shared_NE: Table
    """Share of the node's rows that selected the expert as shared."""
    weight_NE: Table
    """Mean mixture weight of the expert over the node's rows."""
    dead_units_E: tuple[float | None, ...] = ()
    """Share of the expert's output units that are dead (dead_outputs.py), None if fewer than two rows ran it; empty if
    it was not measured."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Where rows go from the experts of a level's last layer."""

    above: str
    """Name of the level."""
    below: str
    """Name of the level below."""
    share: Table
    """Share of all rows that go from each expert to each node of the level below (if that is "tasks", to each expert of
    its last layer); sums to 1 over both axes."""
