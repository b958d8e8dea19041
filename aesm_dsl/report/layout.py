"""Positions along one axis: in order, a distance apart, and near where they are wanted."""

from __future__ import annotations

from collections.abc import Sequence


def even_positions(count: int, start: float, end: float) -> list[float]:
    """Returns the middles of `count` equal parts of [start, end]."""
    step = (end - start) / max(count, 1)
    return [start + (index + 0.5) * step for index in range(count)]


def spaced_positions(wanted: Sequence[float], gap: float, start: float, end: float) -> list[float]:
    """Returns the positions in [start, end] that lie nearest to the wanted ones, in the same order and spaced apart.

    Args:
        wanted: the wanted positions, best in ascending order; the sum of squared distances to them is least.
        gap: the least distance of two neighbours.
        start: the least position.
        end: the greatest position; if [start, end] is too short for all, positions run over `end`.
    """
    # Without the gaps' own length this is isotonic regression: neighbours in the wrong order are pooled.
    pools: list[tuple[float, int]] = []
    for index, position in enumerate(wanted):
        total, count = position - index * gap, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    last = max(start, end - gap * (len(wanted) - 1))
    means = [min(max(total / count, start), last) for total, count in pools for _ in range(count)]
    return [mean + index * gap for index, mean in enumerate(means)]


def adjacent_positions(middle: float, widths: Sequence[float], space: float) -> list[float]:
    """Returns the middles of things of these widths side by side around `middle`, squeezed to fit into `space`."""
    squeeze = min(1.0, space / max(sum(widths), 1e-9))
    positions, left = [], middle - sum(widths) * squeeze / 2
    for width in widths:
        positions.append(left + width * squeeze / 2)
        left += width * squeeze
    return positions
