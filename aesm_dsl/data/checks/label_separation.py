"""How well one column alone separates positives from negatives. A column that does it too well is a leak.

Axes: R rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from aesm_dsl.data.rank_auc import rank_auc
from aesm_dsl.data.reading.values import as_numbers, as_text

SUSPICIOUS = 0.99
"""A column whose AUC alone is above this is reported as a leak."""
LEAST = 20
"""Fewer positives, or negatives, than this are too few for an AUC."""
WEIGHT = 1.0
"""The rate of a value is smoothed with the overall rate, which counts for this many rows."""


def separation(column: pl.Series, label_R: npt.NDArray[Any], *, by_value: bool) -> float | None:
    """Returns the AUC of the column alone.

    The values are ranked by their rate of positives in every second row, and the AUC is measured in the other rows. A
    value that occurs only once then has no rate of its own, so ids are no leaks.

    Args:
        column: the cells.
        label_R: 0, 1, or NaN if the label is missing.
        by_value: also rank the rows by the numbers of the column, upwards or downwards, a missing one first, and take
            the better of both.

    Returns:
        A number from 1/2 to 1; None if there are too few labels.
    """
    known_R = ~np.isnan(label_R)
    label_R, column = label_R[known_R], column.filter(pl.Series(known_R))
    aucs = [_auc_of_rates(column, label_R)]
    if by_value:
        values, _ = as_numbers(column)
        aucs.append(_auc(np.nan_to_num(values, nan=-np.inf, posinf=np.inf, neginf=-np.inf), label_R))
    known = [auc for auc in aucs if auc is not None]
    return max(known) if known else None


def _auc_of_rates(column: pl.Series, label_R: npt.NDArray[Any]) -> float | None:
    rows = pl.DataFrame({"value": as_text(column), "label": np.asarray(label_R, np.float64)})
    learnt, scored = rows.gather_every(2), rows.gather_every(2, 1)
    mean = float(learnt["label"].mean() or 0.0) if learnt.height else 0.0  # type: ignore[arg-type]
    rates = learnt.group_by("value").agg(((pl.col("label").sum() + WEIGHT * mean) / (pl.len() + WEIGHT)).alias("rate"))
    score = scored.join(rates, on="value", how="left", nulls_equal=True, maintain_order="left")["rate"]
    return _auc(score.fill_null(mean).to_numpy(), scored["label"].to_numpy())


def _auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any]) -> float | None:
    """The AUC upwards or downwards, whichever is larger."""
    positives = int((label_R == 1).sum())
    if positives < LEAST or len(label_R) - positives < LEAST:
        return None
    auc = rank_auc(score_R, label_R)
    return None if auc is None else max(auc, 1 - auc)
