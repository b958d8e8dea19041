"""Whether a sharing matrix finds known groups: by hand, against a plain loop, and where nothing can be said."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from aesm_dsl.training.metrics.group_recovery import recovery
from aesm_dsl.training.sharing.sharing_matrix import SharingMatrix


def matrix_of(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> SharingMatrix:
    return SharingMatrix(tuple("abcdef"[: len(values)]), values)


def test_by_hand() -> None:
    """ab and cd are groups; of the four pairs across, one shares more than ab and one as much as it."""
    values = np.array([[1, 0.5, 0.6, 0.5], [0.5, 1, 0.1, 0.2], [0.6, 0.1, 1, 0.9], [0.5, 0.2, 0.9, 1]])
    groups = {"a": 1, "b": 1, "c": 2, "d": 2}
    assert recovery(matrix_of(values), groups) == pytest.approx((4 + 2.5) / 8)


def test_it_is_the_share_of_pairs_of_pairs_in_the_right_order() -> None:
    chance = np.random.default_rng(3)
    values = chance.integers(1, 6, (6, 6)) / 6.0
    values = np.maximum(values, values.T)
    groups = dict(zip("abcdef", "xyxzyx", strict=True))
    pairs = [(i, j) for i in range(6) for j in range(i)]
    inside = [values[i, j] for i, j in pairs if groups["abcdef"[i]] == groups["abcdef"[j]]]
    across = [values[i, j] for i, j in pairs if groups["abcdef"[i]] != groups["abcdef"[j]]]
    right = [1.0 if one > other else 0.5 if one == other else 0.0 for one, other in product(inside, across)]
    assert recovery(matrix_of(values), groups) == pytest.approx(np.mean(right))


def test_nodes_without_rows_or_without_a_group_do_not_count() -> None:
    values = np.array([[1, 0.9, 0.1, 0], [0.9, 1, 0.2, 0], [0.1, 0.2, 1, 0], [0, 0, 0, 0]])
    assert recovery(matrix_of(values), {"a": 1, "b": 1, "c": 2, "d": 1}) == 1.0
    assert recovery(matrix_of(values), {"a": 1, "b": 1, "d": 2}) is None
    assert recovery(matrix_of(values), {"a": 1}) is None


def test_a_node_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="no node 'z'"):
        recovery(matrix_of(np.eye(2)), {"a": 1, "z": 2})
