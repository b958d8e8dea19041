"""`ScoreHistogram`: rows gathered by their predicted probability, and the metrics that follow from it.

A cell is one probability, where nothing is lost, or a range of probabilities, where memory must not grow with the rows
(streamed_scores.py). Axes: R rows, C cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aesm_dsl.training.metrics.auc import variance_of_mean

Floats = npt.NDArray[np.float64]

GROUPS = 20
"""Groups of equal weight, by probability, of which the calibration error is made."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """One task's predictions and labels, for rows that all count: every label is 0 or 1, every weight above 0."""

    yes_R: Floats
    """Log of the probability of 1."""
    no_R: Floats
    """Log of the probability of 0."""
    label_R: Floats
    weight_R: Floats
    user_R: npt.NDArray[np.int64] | None = None
    """A number for each user; None if users are not looked at."""
    query_R: npt.NDArray[np.int64] | None = None
    """A number for each query; None if queries are not looked at."""


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """Cells in order of probability, the lowest first."""

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
    def of(rows: TaskRows) -> ScoreHistogram:
        """The histogram with a cell for every probability."""
        _, cell_R = np.unique(rows.yes_R, return_inverse=True)
        return ScoreHistogram.at(rows, cell_R, int(cell_R.max(initial=-1)) + 1)

    @staticmethod
    def at(rows: TaskRows, cell_R: npt.NDArray[np.int64], cells: int) -> ScoreHistogram:
        """The histogram with so many cells, and every row in its own."""
        label_R, weight_R = rows.label_R, rows.weight_R
        one_R = label_R == 1

        def summed(value_R: Floats) -> Floats:
            return np.bincount(cell_R, value_R, cells).astype(np.float64)

        return ScoreHistogram(
            summed(weight_R * one_R),
            summed(weight_R * ~one_R),
            summed(weight_R**2 * one_R),
            summed(weight_R**2 * ~one_R),
            summed(weight_R * np.exp(rows.yes_R)),
            float((weight_R * -np.where(one_R, rows.yes_R, rows.no_R)).sum()),
            len(label_R),
            int(one_R.sum()),
        )

    def plus(self, other: ScoreHistogram) -> ScoreHistogram:
        """The rows of both, where both have the same cells."""
        return ScoreHistogram(
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
        """Returns the AUC and its standard error; pairs within a cell count half.

        V_C = share of the other class that a row of the cell is on the right side of; AUC = mean of V of the positives
        variance = sum over both classes of  sum of w^2 (V - AUC)^2 / (sum of w)^2 * n / (n - 1)
        with n = (sum of w)^2 / sum of w^2

        With equal weights these are DeLong, DeLong and Clarke-Pearson (1988). Scaling all weights changes nothing.

        Returns:
            None if there is one class only; no standard error if a class has one row.
        """
        ones, zeros = self.positive_C.sum(), self.negative_C.sum()
        if not ones or not zeros:
            return None
        # Both are whole or half numbers without weights, so the AUC is exact.
        below_C = np.cumsum(self.negative_C) - self.negative_C / 2
        above_C = ones - np.cumsum(self.positive_C) + self.positive_C / 2
        area = float((self.positive_C * below_C).sum() / (ones * zeros))
        of_ones = variance_of_mean(below_C / zeros - area, self.positive_squares_C, ones, self.positives)
        of_zeros = variance_of_mean(above_C / ones - area, self.negative_squares_C, zeros, self.rows - self.positives)
        if of_ones is None or of_zeros is None:
            return area, None
        return area, float((of_ones + of_zeros) ** 0.5)

    def auc_off(self) -> float:
        """Bound of the AUC's error that comes from the cells: half the share of pairs within one cell."""
        pairs = self.positive_C.sum() * self.negative_C.sum()
        return float((self.positive_C * self.negative_C).sum() / pairs / 2)

    def calibration_error(self) -> float:
        """Returns the expected calibration error (ECE).

        The cells are put into GROUPS of about equal weight, in order of probability; it is the mean over rows of how
        far their group's mean prediction is from its observed share of positives.
        """
        weight_C = self.positive_C + self.negative_C
        off = np.bincount(groups(weight_C, GROUPS), self.foretold_C - self.positive_C)
        return float(np.abs(off).sum() / weight_C.sum())


def groups(weight_C: Floats, count: int) -> npt.NDArray[np.int64]:
    """Returns the group of each cell: `count` groups of about equal weight, in the cells' order."""
    middle_C = np.cumsum(weight_C) - weight_C / 2
    group_C: npt.NDArray[np.int64] = np.minimum((count * middle_C / weight_C.sum()).astype(np.int64), count - 1)
    return group_C
