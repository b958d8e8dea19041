"""The AUC (area under the ROC curve), exact: of all rows and within users, its variance and its interval.

Axes: R rows, U users, C cells of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aesm_dsl.training.metrics.t_test import normal_quantile

Floats = npt.NDArray[np.float64]


def auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], weight_R: npt.NDArray[Any] | None = None) -> float | None:
    """Returns the probability that a positive row scores above a negative one, ties counting half.

    Args:
        score_R: any scores, probabilities or not.
        label_R: 1 for a positive row.
        weight_R: a pair of rows counts the product of both weights; None counts every row once.

    Returns:
        None if there is one class only.
    """
    area_U, _ = auc_within(np.zeros(len(label_R), np.int64), score_R, label_R, weight_R)
    return float(area_U[0]) if len(area_U) else None


def auc_within(
    user_R: npt.NDArray[np.int64],
    score_R: npt.NDArray[Any],
    label_R: npt.NDArray[Any],
    weight_R: npt.NDArray[Any] | None = None,
) -> tuple[Floats, Floats]:
    """Returns the AUC within each user's rows, and the weight of these rows, in O(R log R).

    Only users with both classes are in it, in the order of their numbers.
    """
    weight_R = np.ones(len(label_R)) if weight_R is None else np.asarray(weight_R, np.float64)
    seen_R = weight_R > 0
    user_R, score_R, weight_R, label_R = user_R[seen_R], score_R[seen_R], weight_R[seen_R], label_R[seen_R]
    order_R = np.lexsort((score_R, user_R))
    user_R, score_R = user_R[order_R], score_R[order_R]
    positive_R = weight_R[order_R] * (label_R[order_R] == 1)
    negative_R = weight_R[order_R] - positive_R
    if not len(user_R):
        return np.zeros(0), np.zeros(0)
    changed_R = np.append(False, user_R[1:] != user_R[:-1])
    of_user_R = np.cumsum(changed_R)
    cell_R = np.cumsum(changed_R | np.append(False, score_R[1:] != score_R[:-1]))
    positive_C, negative_C = np.bincount(cell_R, positive_R), np.bincount(cell_R, negative_R)
    user_C = np.zeros(len(positive_C), np.int64)
    user_C[cell_R] = of_user_R
    ones_U, zeros_U = np.bincount(user_C, positive_C), np.bincount(user_C, negative_C)
    # Whole or half numbers without weights, so the AUC is exact.
    before_U = np.cumsum(zeros_U) - zeros_U
    below_C = np.cumsum(negative_C) - negative_C / 2 - before_U[user_C]
    right_U = np.bincount(user_C, positive_C * below_C)
    both_U = (ones_U > 0) & (zeros_U > 0)
    area_U: Floats = right_U[both_U] / (ones_U * zeros_U)[both_U]
    weight_U: Floats = np.asarray((ones_U + zeros_U)[both_U], np.float64)
    return area_U, weight_U


def right_sides(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], weight_R: Floats) -> tuple[float, Floats]:
    """Returns the AUC and V of DeLong (1988): for each row, the share of the other class that it is ordered right with.

    Ties count half. Both classes have rows, and all weights are above 0.
    """
    positive_R = label_R == 1
    _, place_R = np.unique(score_R, return_inverse=True)
    positive_U = np.bincount(place_R, weight_R * positive_R)
    negative_U = np.bincount(place_R, weight_R * ~positive_R)
    # Both are whole or half numbers without weights, so the AUC is exact.
    below_U = np.cumsum(negative_U) - negative_U / 2
    above_U = positive_U.sum() - np.cumsum(positive_U) + positive_U / 2
    area = float((positive_U * below_U).sum() / (positive_U.sum() * negative_U.sum()))
    right_R: Floats = np.where(positive_R, below_U[place_R] / negative_U.sum(), above_U[place_R] / positive_U.sum())
    return area, right_R


def difference(
    first_R: Floats, second_R: Floats, label_R: npt.NDArray[Any], weight_R: Floats
) -> tuple[float, float | None]:
    """Returns the AUC of one score minus that of another on the same rows, and the standard error of the difference.

    Args:
        first_R: V of the first score (`right_sides`), or its mean over several scores.
        second_R: V of the second.

    Returns:
        No standard error (None) if a class has one row.
    """
    less_R, positive_R = first_R - second_R, label_R == 1
    less = float(np.average(less_R[positive_R], weights=weight_R[positive_R]))
    variances = [
        variance_of_mean(less_R[of_R] - less, weight_R[of_R] ** 2, float(weight_R[of_R].sum()), int(of_R.sum()))
        for of_R in (positive_R, ~positive_R)
    ]
    if any(variance is None for variance in variances):
        return less, None
    return less, float(sum(variance for variance in variances if variance is not None) ** 0.5)


def variance_of_mean(off_C: Floats, squares_C: Floats, total: float, rows: int) -> float | None:
    """Returns the variance of the weighted mean of values; None of one row, or of one that outweighs all others.

    Args:
        off_C: how far each value is from the mean.
        squares_C: sum of the squared weights of the rows that have the value.
        total: sum of all weights.
        rows: how many rows there are.
    """
    number = total**2 / squares_C.sum()
    if rows < 2 or number <= 1:
        return None
    return float((squares_C * off_C**2).sum() / total**2 * number / (number - 1))


def auc_interval(area: float | None, error: float | None) -> tuple[float | None, float | None]:
    """Returns the 95 % interval of an AUC by its standard error, within [0, 1].

    None twice if either is None, or if the error is 0: so it is when the classes are separated entirely, or all scores
    are equal, which says nothing about other rows.
    """
    if area is None or not error:
        return None, None
    return max(0.0, area - normal_quantile() * error), min(1.0, area + normal_quantile() * error)
