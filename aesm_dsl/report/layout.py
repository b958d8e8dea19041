"""Where things go along one axis: in order, a distance apart, near where they want to be."""

from __future__ import annotations

from collections.abc import Sequence


def evenly(count: int, start: float, end: float) -> list[float]:
    """The middles of `count` equal parts of [start, end]."""
    step = (end - start) / max(count, 1)
    return [start + (index + 0.5) * step for index in range(count)]


def apart(wanted: Sequence[float], gap: float, start: float, end: float) -> list[float]:
    """Places in [start, end], in order and at least `gap` apart, of least squared distance to `wanted`.

    Wishes are best given in ascending order. Where [start, end] is too short for all, places run over `end`.
    """
    # Without the gaps' own length this is isotonic regression: neighbours in the wrong order pool.
    pools: list[tuple[float, int]] = []
    for index, wish in enumerate(wanted):
        total, count = wish - index * gap, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    last = max(start, end - gap * (len(wanted) - 1))
    free = [min(max(total / count, start), last) for total, count in pools for _ in range(count)]
    return [place + index * gap for index, place in enumerate(free)]


def beside(middle: float, widths: Sequence[float], space: float) -> list[float]:
    """Places around `middle` for things of these widths side by side, pressed to fit into `space`."""
    squeeze = min(1.0, space / max(sum(widths), 1e-9))
    places, at = [], middle - sum(widths) * squeeze / 2
    for width in widths:
        places.append(at + width * squeeze / 2)
        at += width * squeeze
    return places
