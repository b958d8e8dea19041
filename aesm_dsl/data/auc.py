"""Area under the ROC curve, exact, with its standard error. Axes: R rows, U different scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], weight_R: npt.NDArray[Any] | None = None) -> float | None:
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only.

    weight_R  a pair of rows counts the product of both weights; without it every row counts 1
    """
    found = delong(score_R, label_R, weight_R)
    return None if found is None else found[0]


def delong(
    score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], weight_R: npt.NDArray[Any] | None = None
) -> tuple[float, float | None] | None:
    """The AUC and its standard error, None where a class has one row; None altogether with one class only.

    V[i] = share of the other class that row i is on the right side of, ties half; AUC = mean of V of the positives.
    variance = sum over both classes of  sum of w^2 (V - AUC)^2 / (sum of w)^2 * n / (n - 1)
    with n = (sum of w)^2 / sum of w^2

    With equal weights these are DeLong, DeLong and Clarke-Pearson (1988). Scaling all weights changes nothing. Rows of
    weight 0 are not there. In O(R log R): no pair of rows is looked at.
    """
    weight_R = np.ones(len(label_R)) if weight_R is None else np.asarray(weight_R, np.float64)
    seen_R = weight_R > 0
    score_R, weight_R, positive_R = score_R[seen_R], weight_R[seen_R], label_R[seen_R] == 1
    if not positive_R.any() or positive_R.all():
        return None
    area, right_R = right_sides(score_R, positive_R, weight_R)
    variances = [_variance(right_R[one_R] - area, weight_R[one_R]) for one_R in (positive_R, ~positive_R)]
    if any(one is None for one in variances):
        return area, None
    return area, float(sum(one for one in variances if one is not None) ** 0.5)


def right_sides(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any], weight_R: Floats) -> tuple[float, Floats]:
    """The AUC, and V of `delong`: of each row the share of the other class that it is on the right side of.

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
    one_R: Floats, other_R: Floats, label_R: npt.NDArray[Any], weight_R: Floats
) -> tuple[float, float | None]:
    """AUC of one score minus that of another on the same rows, and its standard error, None where a class has one row.

    one_R, other_R  V of both (`right_sides`), or its mean over several scores
    """
    less_R, positive_R = one_R - other_R, label_R == 1
    less = float(np.average(less_R[positive_R], weights=weight_R[positive_R]))
    variances = [_variance(less_R[of_R] - less, weight_R[of_R]) for of_R in (positive_R, ~positive_R)]
    if any(one is None for one in variances):
        return less, None
    return less, float(sum(one for one in variances if one is not None) ** 0.5)


def _variance(off_R: Floats, weight_R: Floats) -> float | None:
    """Variance of the weighted mean of values that lie `off` it; None of one row, or of one that outweighs all."""
    total, squares = weight_R.sum(), (weight_R**2).sum()
    number = total**2 / squares
    if len(off_R) < 2 or number <= 1:
        return None
    return float((weight_R**2 * off_R**2).sum() / total**2 * number / (number - 1))
