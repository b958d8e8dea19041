"""Places along an axis."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from aesm_dsl.report.layout import adjacent_positions, even_positions, spaced_positions


def test_wishes_that_fit_are_met() -> None:
    assert spaced_positions([10, 30, 80], 20, 0, 100) == [10, 30, 80]


def test_equal_wishes_spread_around_their_place() -> None:
    assert spaced_positions([50, 50, 50], 10, 0, 100) == pytest.approx([40, 50, 60])


def test_wishes_at_the_border_are_pushed_inside() -> None:
    assert spaced_positions([-5, 0, 99], 10, 0, 100) == pytest.approx([0, 10, 99])
    assert spaced_positions([99, 100], 10, 0, 100) == pytest.approx([90, 100])


@pytest.mark.parametrize("seed", range(20))
def test_no_other_places_lie_nearer(seed: int) -> None:
    chance = random.Random(seed)
    wanted = sorted(chance.uniform(0, 100) for _ in range(6))
    places = spaced_positions(wanted, 12, 0, 100)
    assert all(right - left >= 12 - 1e-9 for left, right in pairwise(places))
    assert 0 <= places[0] <= places[-1] <= 100

    def distance(tried: list[float]) -> float:
        return sum((place - wish) ** 2 for place, wish in zip(tried, wanted, strict=True))

    for _ in range(200):
        tried = [place + chance.uniform(-3, 3) for place in places]
        fits = all(right - left >= 12 for left, right in pairwise(tried))
        if fits and tried[0] >= 0 and tried[-1] <= 100:
            assert distance(tried) >= distance(places) - 1e-9


def test_side_by_side() -> None:
    assert adjacent_positions(50, [10, 20], 100) == [40, 55]
    assert adjacent_positions(50, [10, 20], 15) == [45, 52.5]
    assert adjacent_positions(50, [], 15) == []
    assert even_positions(2, 0, 100) == [25, 75]
