"""`Cells`: rows put together by what was foretold of them, and the measures of them. Axes: R rows, C cells.

A cell is one probability, where nothing is lost, or a range of them, where memory is to stay the same whatever the rows
(streamed.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GROUPS = 20
"""Groups of equal weight, by probability, of which the calibration error is made."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells from the lowest probability to the highest. All rows in them count: a label of 0 or 1, a weight above 0."""

    positive_C: Floats
    """Weight of the rows with label 1."""
    negative_C: Floats
    """Weight of those with label 0."""
    positive_squares_C: Floats
    """Sum of their squared weights."""
    negative_squares_C: Floats
    foretold_C: Floats
    """Sum of weight times probability."""
    lost: float
    """Sum of weight times -log of the probability given to what happened, in nats."""
    rows: int
    positives: int

    @staticmethod
    def of(yes_R: Floats, no_R: Floats, label_R: Floats, weight_R: Floats) -> Cells:
        """A cell for each probability.

        yes_R, no_R  log of the probability of 1 and of 0
        """
        _, place_R = np.unique(yes_R, return_inverse=True)
        return Cells.at(place_R, int(place_R.max(initial=-1)) + 1, yes_R, no_R, label_R, weight_R)

    @staticmethod
    def at(
        place_R: npt.NDArray[np.int64], cells: int, yes_R: Floats, no_R: Floats, label_R: Floats, weight_R: Floats
    ) -> Cells:
        """So many cells, with each row in its place."""
        one_R = label_R == 1

        def summed(value_R: Floats) -> Floats:
            return np.bincount(place_R, value_R, cells).astype(np.float64)

        return Cells(
            summed(weight_R * one_R),
            summed(weight_R * ~one_R),
            summed(weight_R**2 * one_R),
            summed(weight_R**2 * ~one_R),
            summed(weight_R * np.exp(yes_R)),
            float((weight_R * -np.where(one_R, yes_R, no_R)).sum()),
            len(label_R),
            int(one_R.sum()),
        )

    def plus(self, other: Cells) -> Cells:
        """The rows of both, where both have the same cells."""
        return Cells(
            self.positive_C + other.positive_C,
            self.negative_C + other.negative_C,
            self.positive_squares_C + other.positive_squares_C,
            self.negative_squares_C + other.negative_squares_C,
            self.foretold_C + other.foretold_C,
            self.lost + other.lost,
            self.rows + other.rows,
            self.positives + other.positives,
        )

    @property
    def weight(self) -> float:
        return float(self.positive_C.sum() + self.negative_C.sum())

    def auc(self) -> tuple[float, float | None] | None:
        """The AUC, pairs within a cell counting half, and its standard error, None where a class has one row; None
        altogether with one class only.

        V_C = share of the other class that a row of the cell is on the right side of; AUC = mean of V of the positives
        variance = sum over both classes of  sum of w^2 (V - AUC)^2 / (sum of w)^2 * n / (n - 1)
        with n = (sum of w)^2 / sum of w^2

        With equal weights these are DeLong, DeLong and Clarke-Pearson (1988). Scaling all weights changes nothing.
        """
        ones, zeros = self.positive_C.sum(), self.negative_C.sum()
        if not ones or not zeros:
            return None
        # Both are whole or half numbers without weights, so the AUC is exact.
        below_C = np.cumsum(self.negative_C) - self.negative_C / 2
        above_C = ones - np.cumsum(self.positive_C) + self.positive_C / 2
        area = float((self.positive_C * below_C).sum() / (ones * zeros))
        of_ones = _variance(below_C / zeros - area, self.positive_squares_C, ones, self.positives)
        of_zeros = _variance(above_C / ones - area, self.negative_squares_C, zeros, self.rows - self.positives)
        if of_ones is None or of_zeros is None:
            return area, None
        return area, float((of_ones + of_zeros) ** 0.5)

    def auc_off(self) -> float:
        """How far the AUC of the rows can be from that of the cells: half the share of pairs within one cell."""
        pairs = self.positive_C.sum() * self.negative_C.sum()
        return float((self.positive_C * self.negative_C).sum() / pairs / 2)

    def calibration_error(self) -> float:
        """ECE: cells put into GROUPS of about equal weight, in order; the mean over rows of how far their group's mean
        probability is from its share of positives."""
        weight_C = self.positive_C + self.negative_C
        middle_C = np.cumsum(weight_C) - weight_C / 2
        group_C = np.minimum((GROUPS * middle_C / weight_C.sum()).astype(np.int64), GROUPS - 1)
        off = np.bincount(group_C, self.foretold_C - self.positive_C)
        return float(np.abs(off).sum() / weight_C.sum())


def _variance(off_C: Floats, squares_C: Floats, total: float, rows: int) -> float | None:
    """Variance of the weighted mean of values that lie `off` it; None of one row, or of one that outweighs all."""
    number = total**2 / squares_C.sum()
    if rows < 2 or number <= 1:
        return None
    return float((squares_C * off_C**2).sum() / total**2 * number / (number - 1))
