"""`without_padding`: lists of the same steps, as a request's tensors hold them, without the nulls that fill them.

The rows of a tensor are of one width, so nulls fill the shorter lists. Of a list by itself they would be missing
values, which are left out; but a missing value of a step keeps its place. So a list may end anywhere between its last
value and the tensor's width, and ends where the longest of the lists of its steps does.

Axes: R rows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.pools import pools_of


def without_padding(plan: Plan, frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows of a request with lists that are as long as the steps they describe.

    Lists that cannot be of one length stay as they are; the check of the rows says so (E536).
    """
    for pool in pools_of(plan.features):
        members = [member for member in pool.members if member.column in frame.columns]
        if len(members) > 1:
            steps_R = np.max([_least_length(frame[member.column], member) for member in members], axis=0)
            for name in {member.column for member in members if isinstance(frame[member.column].dtype, pl.List)}:
                both = pl.DataFrame({"lists": frame[name], "steps": steps_R})
                cut = both.select(pl.col("lists").list.head(pl.col("steps"))).to_series()
                frame = frame.with_columns(cut.alias(name))
    return frame


def _least_length(column: pl.Series, feature: FeaturePlan) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The place of each row's last value; of text its number of values."""
    if not isinstance(column.dtype, pl.List):
        return np.bincount(flatten(column, feature.separator)[1], minlength=len(column))
    place = pl.when(pl.element().is_not_null()).then(pl.int_range(1, pl.len() + 1)).otherwise(0)
    return column.list.eval(place).list.max().fill_null(0).to_numpy().astype(np.int64)
