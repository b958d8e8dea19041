"""Area under the ROC curve, exact. Axes: R rows, U different scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any]) -> float | None:
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only."""
    positives = int(label_R.sum())
    negatives = len(label_R) - positives
    if not positives or not negatives:
        return None
    _, place_R, count_U = np.unique(score_R, return_inverse=True, return_counts=True)
    last_U = np.cumsum(count_U)
    rank_R = (last_U - (count_U - 1) / 2)[place_R]
    return float((rank_R[label_R == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
