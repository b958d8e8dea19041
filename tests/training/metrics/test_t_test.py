"""Student's t against printed tables, and means against what must hold of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aesm_dsl.training.metrics.t_test import mean_of_runs

TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 9: 2.262, 10: 2.228, 30: 2.042}
"""Degrees of freedom -> the t of a 95 % interval, from any printed table."""


def values_of(freedom: int, t: float = 0.0) -> list[float]:
    """freedom + 1 values whose mean is t standard errors from 0; the standard error is 1."""
    values = np.arange(freedom + 1.0)
    values = (values - values.mean()) / values.std(ddof=1) * math.sqrt(freedom + 1)
    return [float(value) for value in values + t]


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_of_a_printed_table(freedom: int) -> None:
    found = mean_of_runs(values_of(freedom))
    assert found.high is not None
    assert found.high - found.value == pytest.approx(TABLE[freedom], abs=6e-4)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 8.0])
def test_p_is_the_integral_of_the_density(freedom: int, t: float) -> None:
    x = np.linspace(-t, t, 40_001)
    top = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
    density = top * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
    found = mean_of_runs(values_of(freedom, t))
    assert found.p is not None
    assert 1 - found.p == pytest.approx(float(np.trapezoid(density, x)), abs=1e-6)


def test_the_paired_test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt 3, t = 3.464 with 2 degrees of freedom."""
    found = mean_of_runs([1.0, 2.0, 3.0])
    assert (found.value, found.count) == (2.0, 3)
    assert found.p == pytest.approx(0.0742, abs=1e-4)
    assert found.low == pytest.approx(2 - 4.303 / math.sqrt(3), abs=1e-3)
    assert found.high == pytest.approx(2 + 4.303 / math.sqrt(3), abs=1e-3)


def test_nothing_is_said_of_what_has_no_spread() -> None:
    assert (mean_of_runs([0.5]).p, mean_of_runs([0.5]).low) == (None, None)
    assert (mean_of_runs([0.5, 0.5]).p, mean_of_runs([0.5, 0.5]).low) == (None, 0.5)
    with pytest.raises(ValueError, match="no values"):
        mean_of_runs([])


def test_p_is_uniform_where_there_is_no_difference() -> None:
    chance = np.random.default_rng(1)
    found = [mean_of_runs(chance.normal(size=4).tolist()).p for _ in range(2000)]
    assert np.mean([p is not None and p < 0.05 for p in found]) == pytest.approx(0.05, abs=0.015)
