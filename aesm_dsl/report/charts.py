"""Small charts as SVG for a page: curves over epochs, calibration, and intervals on a line.

Colours come from the page's style sheet by class, so that a chart follows light and dark. Lengths are pixels of the
chart's own box, which the page may scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aesm_dsl.training.metrics.calibration import Bin
from aesm_dsl.training.metrics.t_test import normal_quantile

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34
SQUARE = 220


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: Points
    number: int
    """Its colour, from 0."""
    dashed: bool = False


def curves_chart(title: str, curves: Sequence[Curve], mark: float | None = None) -> Markup:
    """Curves over epochs; `mark` is the epoch whose weights were kept. Empty without points."""
    points = [point for curve in curves for point in curve.points]
    if not points:
        return Markup("")
    across = _Axis.of([x for x, _ in points], LEFT, WIDTH - RIGHT, whole=True)
    up = _Axis.of([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [*_grid(across, up, "epoch"), *([_marked(across.at(mark))] if mark is not None else [])]
    for curve in curves:
        line = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in curve.points)
        look = f"c{curve.number % 6}" + (" dashed" if curve.dashed else "")
        parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(look, line))
        parts += [
            Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>').format(
                look, across.at(x), up.at(y), f"{curve.name}, epoch {x:g}: {y:.4f}"
            )
            for x, y in curve.points
        ]
    return _svg(WIDTH, HEIGHT, title, parts)


def calibration_chart(title: str, bins: Sequence[Bin], number: int = 0) -> Markup:
    """Foretold against seen, a point for each bin with its 95 % interval (Wilson). Empty without bins."""
    if not bins:
        return Markup("")
    ends = [_wilson(one) for one in bins]
    most = max([one.foretold for one in bins] + [high for _, high in ends]) or 1.0
    across = _Axis.of([0.0, most], LEFT, SQUARE + LEFT)
    up = _Axis.of([0.0, most], SQUARE + TOP, TOP)
    low, high = across.ticks[0], across.ticks[-1]
    parts = _grid(across, up, "foretold")
    parts.append(Markup('<text class="axis" x="{}" y="{}">seen</text>').format(LEFT + 5, TOP + 10))
    place = (across.at(low), up.at(low), across.at(high), up.at(high))
    parts.append(Markup('<line class="ideal" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(*place))
    for one, (least, greatest) in zip(bins, ends, strict=True):
        x = across.at(one.foretold)
        words = f"{one.rows:,} rows: foretold {one.foretold:.2%}, seen {one.seen:.2%} ({least:.2%} to {greatest:.2%})"
        parts.append(
            Markup('<g><title>{}</title><line class="whisker c{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
                   '<circle class="dot c{}" cx="{:.1f}" cy="{:.1f}" r="3.5"/></g>').format(
                words, number % 6, x, up.at(least), x, up.at(greatest), number % 6, x, up.at(one.seen)
            )
        )  # fmt: skip
    return _svg(SQUARE + LEFT + RIGHT, SQUARE + TOP + BOTTOM, title, parts)


def interval_chart(
    value: float, low: float | None, high: float | None, ends: tuple[float, float], look: str, zero: float | None = None
) -> Markup:
    """A value with its interval on a line from ends[0] to ends[1]; `zero` is where a mark stands on the line."""
    width, height = 150, 16
    axis = _Axis(ends[0], ends[1], 6, width - 6, ())
    parts = [Markup('<line class="rule" x1="0" y1="8" x2="{}" y2="8"/>').format(width)]
    if zero is not None:
        parts.append(Markup('<line class="ideal" x1="{0:.1f}" y1="1" x2="{0:.1f}" y2="15"/>').format(axis.at(zero)))
    if low is not None and high is not None:
        parts.append(
            Markup('<line class="whisker {}" x1="{:.1f}" y1="8" x2="{:.1f}" y2="8"/>').format(
                look, axis.at(low), axis.at(high)
            )
        )
    parts.append(Markup('<circle class="dot {}" cx="{:.1f}" cy="8" r="4"/>').format(look, axis.at(value)))
    words = f"{value:.4f}" + ("" if low is None or high is None else f", {low:.4f} to {high:.4f}")
    return _svg(width, height, words, parts, "interval")


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float], start: float, end: float, *, whole: bool = False) -> _Axis:
        """An axis over all values that begins and ends with a tick."""
        low, high = min(values), max(values)
        if low == high:
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        step = 10 ** math.floor(math.log10((high - low) / 4))
        step *= next((factor for factor in (1, 2, 5) if (high - low) / (factor * step) <= 5), 10)
        if whole:
            step = max(1.0, step)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = tuple(step * number for number in range(first, last + 1))
        return _Axis(ticks[0], ticks[-1], start, end, ticks)

    def at(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def _grid(across: _Axis, up: _Axis, below: str) -> list[Markup]:
    parts = []
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(
            Markup('<line class="rule" x1="{}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(LEFT, y, across.end, y)
        )
        parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 6, y + 4, _text(tick)))
    label = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>')
    parts += [label.format(across.at(tick), up.start + 16, _text(tick)) for tick in across.ticks]
    middle = (across.start + across.end) / 2
    parts.append(
        Markup('<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            middle, up.start + 30, below
        )
    )
    return parts


def _marked(x: float) -> Markup:
    return Markup(
        '<line class="kept" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"><title>weights kept from here</title></line>'
    ).format(x, TOP, HEIGHT - BOTTOM)


def _svg(width: float, height: float, title: str, parts: Sequence[Markup], kind: str = "chart") -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, title, Markup("").join(parts)
    )


def _wilson(one: Bin) -> tuple[float, float]:
    """The 95 % interval of a share, by its rows."""
    z = normal_quantile()
    middle = one.seen + z * z / (2 * one.rows)
    reach = z * math.sqrt(one.seen * (1 - one.seen) / one.rows + z * z / (4 * one.rows**2))
    scale = 1 + z * z / one.rows
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def _text(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 1e-9 else "0"
