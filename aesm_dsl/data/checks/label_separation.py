"""How well one column alone tells a label. What is too good to be true is a leak. Axes: R rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from aesm_dsl.data.rank_auc import rank_auc
from aesm_dsl.data.reading.values import as_numbers, as_text

SUSPICIOUS = 0.99
"""AUC of one column alone from which on it is told as a leak."""
LEAST = 20
"""Positives, and negatives, without which an AUC says nothing here."""
WEIGHT = 1.0
"""Rows that the overall rate counts for in the rate of a value."""


def separation(column: pl.Series, label_R: npt.NDArray[Any], *, by_value: bool) -> float | None:
    """AUC of the column alone, at least 1/2; None with too few labels to say.

    by_value  also sort the rows by the column's numbers, upwards or downwards; a missing one comes first

    Otherwise, and besides, values are sorted by their rate of positives in every other row, and that is measured in the
    rows between: a value that occurs once says nothing there, so that ids are no leaks.
    """
    known_R = ~np.isnan(label_R)
    label_R, column = label_R[known_R], column.filter(pl.Series(known_R))
    found = [_by_rate(column, label_R)]
    if by_value:
        values, _ = as_numbers(column)
        found.append(_auc(np.nan_to_num(values, nan=-np.inf, posinf=np.inf, neginf=-np.inf), label_R))
    sure = [one for one in found if one is not None]
    return max(sure) if sure else None


def _by_rate(column: pl.Series, label_R: npt.NDArray[Any]) -> float | None:
    rows = pl.DataFrame({"value": as_text(column), "label": np.asarray(label_R, np.float64)})
    learnt, scored = rows.gather_every(2), rows.gather_every(2, 1)
    mean = float(learnt["label"].mean() or 0.0) if learnt.height else 0.0  # type: ignore[arg-type]
    rates = learnt.group_by("value").agg(((pl.col("label").sum() + WEIGHT * mean) / (pl.len() + WEIGHT)).alias("rate"))
    score = scored.join(rates, on="value", how="left", nulls_equal=True, maintain_order="left")["rate"]
    return _auc(score.fill_null(mean).to_numpy(), scored["label"].to_numpy())


def _auc(score_R: npt.NDArray[Any], label_R: npt.NDArray[Any]) -> float | None:
    positives = int((label_R == 1).sum())
    if positives < LEAST or len(label_R) - positives < LEAST:
        return None
    found = rank_auc(score_R, label_R)
    return None if found is None else max(found, 1 - found)
