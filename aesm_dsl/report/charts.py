"""Small charts as SVG for a page: curves over epochs, calibration, and intervals on a line.

Colours are classes of the page's style sheet, so that a chart follows its light and dark theme. Lengths are pixels of
the chart's own box, which the page may scale.
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
"""Margins around the axes of a chart."""
SQUARE = 220
"""Length of both axes of a calibration chart."""
COLOURS = 6
"""Colours of curves in the page's style sheet: the classes c0, c1, ..."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a chart."""

    name: str
    points: Points
    number: int
    """The number of its colour, from 0."""
    dashed: bool = False


def curves_chart(title: str, curves: Sequence[Curve], mark: float | None = None) -> Markup:
    """Draws curves over epochs, and a mark at the epoch whose weights were kept. Empty without points."""
    points = [point for curve in curves for point in curve.points]
    if not points:
        return Markup("")
    across = _Axis.of([x for x, _ in points], LEFT, WIDTH - RIGHT, whole=True)
    up = _Axis.of([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [*_grid(across, up, "epoch"), *([_kept_mark(across.at(mark))] if mark is not None else [])]
    for curve in curves:
        line = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in curve.points)
        look = f"c{curve.number % COLOURS}" + (" dashed" if curve.dashed else "")
        parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(look, line))
        parts += [
            Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3"><title>{}</title></circle>').format(
                look, across.at(x), up.at(y), f"{curve.name}, epoch {x:g}: {y:.4f}"
            )
            for x, y in curve.points
        ]
    return _svg(WIDTH, HEIGHT, title, parts)


def calibration_chart(title: str, bins: Sequence[Bin], number: int = 0) -> Markup:
    """Draws observed over predicted rates: a point with its 95 % interval (Wilson) per bin. Empty without bins."""
    if not bins:
        return Markup("")
    intervals = [_wilson(part) for part in bins]
    most = max([part.foretold for part in bins] + [high for _, high in intervals]) or 1.0
    across = _Axis.of([0.0, most], LEFT, SQUARE + LEFT)
    up = _Axis.of([0.0, most], SQUARE + TOP, TOP)
    low, high = across.ticks[0], across.ticks[-1]
    parts = _grid(across, up, "predicted")
    parts.append(Markup('<text class="axis" x="{}" y="{}">observed</text>').format(LEFT + 5, TOP + 10))
    diagonal = (across.at(low), up.at(low), across.at(high), up.at(high))
    parts.append(Markup('<line class="ideal" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(*diagonal))
    for part, (least, greatest) in zip(bins, intervals, strict=True):
        x, colour = across.at(part.foretold), number % COLOURS
        rates = f"predicted {part.foretold:.2%}, observed {part.seen:.2%} ({least:.2%} to {greatest:.2%})"
        parts.append(
            Markup('<g><title>{}</title><line class="whisker c{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
                   '<circle class="dot c{}" cx="{:.1f}" cy="{:.1f}" r="3.5"/></g>').format(
                f"{part.rows:,} rows: {rates}", colour, x, up.at(least), x, up.at(greatest), colour, x, up.at(part.seen)
            )
        )  # fmt: skip
    return _svg(SQUARE + LEFT + RIGHT, SQUARE + TOP + BOTTOM, title, parts)


def interval_chart(
    value: float,
    low: float | None,
    high: float | None,
    *,
    ends: tuple[float, float],
    look: str,
    zero: float | None = None,
) -> Markup:
    """Draws a value with its interval on a horizontal line.

    Args:
        value: the value.
        low: where its interval begins; None if there is no interval.
        high: where its interval ends; None if there is no interval.
        ends: the values at the left and right end of the line; what lies outside is cut off.
        look: class of the style sheet.
        zero: where a mark stands on the line; None for no mark.
    """
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
    title = f"{value:.4f}" + ("" if low is None or high is None else f", {low:.4f} to {high:.4f}")
    return _svg(width, height, title, parts, "interval")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values from `low` to `high` to pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float], start: float, end: float, *, whole: bool = False) -> _Axis:
        """Returns an axis over all values that begins and ends with a tick; with `whole`, at whole numbers."""
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
        """Returns the pixel of a value; values beyond the axis lie at its end."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def _grid(across: _Axis, up: _Axis, label_below: str) -> list[Markup]:
    """Horizontal rules at the ticks, the numbers on both axes, and the label of the axis below."""
    parts = []
    for tick in up.ticks:
        y = up.at(tick)
        parts.append(
            Markup('<line class="rule" x1="{}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(LEFT, y, across.end, y)
        )
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 6, y + 4, _number(tick))
        )
    number = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>')
    parts += [number.format(across.at(tick), up.start + 16, _number(tick)) for tick in across.ticks]
    middle = (across.start + across.end) / 2
    parts.append(
        Markup('<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            middle, up.start + 30, label_below
        )
    )
    return parts


def _kept_mark(x: float) -> Markup:
    return Markup(
        '<line class="kept" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"><title>weights kept from here</title></line>'
    ).format(x, TOP, HEIGHT - BOTTOM)


def _svg(width: float, height: float, title: str, parts: Sequence[Markup], kind: str = "chart") -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, title, Markup("").join(parts)
    )


def _wilson(part: Bin) -> tuple[float, float]:
    """The 95 % interval of an observed rate, by the number of its rows (Wilson, JASA 1927)."""
    z = normal_quantile()
    middle = part.seen + z * z / (2 * part.rows)
    reach = z * math.sqrt(part.seen * (1 - part.seen) / part.rows + z * z / (4 * part.rows**2))
    scale = 1 + z * z / part.rows
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 1e-9 else "0"
