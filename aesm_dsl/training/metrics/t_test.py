"""Student's t, for a whole number of degrees of freedom: means of a few runs, and differences between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SURE = 0.95
"""What an interval covers."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of n values; interval and p are None where they have no spread to be judged by."""

    value: float
    low: float | None
    """Where the 95 % interval begins."""
    high: float | None
    p: float | None
    """Probability of a mean at least as far from 0 if the true one were 0 (two-sided t-test)."""
    count: int


def mean(values: Sequence[float]) -> Mean:
    """Mean, its 95 % interval and its distance from 0 by Student's t; of one value the mean alone.

    Given the differences of two models' values seed by seed, p is that of the paired t-test.
    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("a mean of no values")
    value, count = float(np.mean(values)), len(values)
    if count < 2:
        return Mean(value, None, None, None, count)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    if error == 0:
        return Mean(value, value, value, None, count)
    reach = quantile(SURE, count - 1) * error
    return Mean(value, value - reach, value + reach, 1 - within(abs(value) / error, count - 1), count)


def within(t: float, freedom: int) -> float:
    """P(|T| <= t) of Student's t, exact (Abramowitz and Stegun 26.7.3 and 26.7.4).

    With a = atan(t / sqrt(freedom)):
      odd   2 / pi * (a + sin a (cos a + 2/3 cos^3 a + 2*4 / (3*5) cos^5 a + ... up to cos^(freedom - 2) a))
      even  sin a (1 + 1/2 cos^2 a + 1*3 / (2*4) cos^4 a + ... up to cos^(freedom - 2) a)
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def quantile(share: float, freedom: int) -> float:
    """The t within which a share of Student's distribution lies on both sides of 0, by bisection."""
    low, high = 0.0, 1.0
    while within(high, freedom) < share:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < share else (low, middle)
    return high
