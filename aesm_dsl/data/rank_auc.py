"""`rank_auc`: the AUC of a score by its ranks, for checks of columns and for simulated worlds.

The AUC of a network, with weights, users and an interval, is in training/metrics/auc.py.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import polars as pl


def rank_auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any]) -> float | None:
    """Returns the probability that a positive row scores above a negative one, ties counting half.

    It is the statistic of Mann and Whitney (1947) over the number of pairs; None if there is one class only.

    Args:
        score_R: finite or infinite numbers, not NaN.
        label_R: 1 for a positive row.
    """
    positive_R = label_R == 1
    positives = int(positive_R.sum())
    negatives = len(label_R) - positives
    if not positives or not negatives:
        return None
    # Average ranks are whole or half numbers, so their sum is exact.
    rank_R = pl.Series(score_R).rank("average").to_numpy()
    above = float(rank_R[positive_R].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)
