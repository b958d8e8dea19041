"""`MeanOfRuns`: the mean of a few runs' values, with its interval by Student's t-test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
"""What an interval covers."""


@dataclass(frozen=True, slots=True)
class MeanOfRuns:
    """A mean of n values. The interval and p are None if the values have no spread to judge it by."""

    value: float
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    """Upper end of the 95 % interval."""
    p: float | None
    """Probability of a mean at least as far from 0 if the true one were 0 (two-sided t-test)."""
    count: int
    """n."""


def mean_of_runs(values: Sequence[float]) -> MeanOfRuns:
    """Returns the mean, its 95 % interval, and the p-value of a one-sample t-test against 0.

    Given the differences of two models' values seed by seed, p is that of the paired t-test. One value has no
    interval; equal values have an interval of no width, and no p.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a mean of no values")
    value, count = float(np.mean(values)), len(values)
    if count < 2:
        return MeanOfRuns(value, None, None, None, count)
    if float(np.std(values, ddof=1)) == 0:
        return MeanOfRuns(value, value, value, None, count)
    from scipy.stats import ttest_1samp  # takes half a second to load, and only comparisons need it

    test = ttest_1samp(values, 0.0)
    interval = test.confidence_interval(CONFIDENCE)
    return MeanOfRuns(value, float(interval.low), float(interval.high), float(test.pvalue), count)


@cache
def normal_quantile() -> float:
    """Standard errors on either side of a mean that a normal 95 % interval covers: 1.96."""
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2))
