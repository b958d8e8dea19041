"""`Segments`: rows grouped by a feature's value, or by their node of a level, instead of by each level's own nodes.

Axes: B rows, I ids of the feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.encoding.encoders import Encoder, Encoders
from aesm_dsl.data.encoding.feature_encoders import CategoryEncoder, NumberEncoder, SharedEncoder
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan.plan import Plan

MOST = 20
"""Most segments of a feature, without those for missing and for other values."""

MISSING_NAME, OTHER_NAME = "(missing)", "(other)"


@dataclass(frozen=True, slots=True)
class Segments:
    """Groups of rows, with a name for each."""

    names: tuple[str, ...]
    level: int | None
    """Index of the level whose nodes the segments are; None for a feature."""
    slot: int
    """Column of a batch's ids that has the feature's."""
    of_I: Tensor
    """Segment of each id."""

    def of(self, batch: Batch) -> Tensor:
        """Returns each row's segment, int64 (B,); for an unknown node, a number without a name."""
        if self.level is not None:
            return batch.node_BL[:, self.level]
        return self.of_I.to(batch.ids_BS.device)[batch.ids_BS[:, self.slot].long()]


def segments(plan: Plan, encoders: Encoders, by: str, findings: Findings) -> Segments | None:
    """Returns the segments of a level (its nodes) or of a feature: the most frequent values of a category, or ranges.

    None after adding E640: there is neither a level nor a feature of that name, or the feature has no values to name.
    """
    for depth, level in enumerate(plan.levels):
        if level.name == by:
            return Segments(tuple(node.name for node in level.nodes), depth, 0, torch.zeros(0, dtype=torch.int64))
    slot = 0
    for encoder in encoders.encoders:
        if encoder.name == by:
            named = _of_ids(encoder)
            if named is not None:
                names, of_I = named
                return Segments(names, None, slot, torch.from_numpy(of_I))
        slot += encoder.slots
    able = [encoder.name for encoder in encoders.encoders if _of_ids(encoder) is not None]
    known = [*(level.name for level in plan.levels), *able]
    exists = by in {encoder.name for encoder in encoders.encoders}
    findings.add(
        "E640",
        f"rows cannot be told apart by `{by}`" if exists else f"no level and no feature `{by}`",
        help=["" if exists else did_you_mean(by, known), f"there are {quoted(known)}"],
    )
    return None


def _of_ids(encoder: Encoder) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]] | None:
    """Names of the segments, and each id's segment; None for a feature that has no values to name."""
    if isinstance(encoder, SharedEncoder):
        return _of_ids(encoder.of)
    if isinstance(encoder, CategoryEncoder):
        kept = encoder.values[:MOST]
        segment = [*range(2, 2 + len(kept)), *[1] * (len(encoder.values) - len(kept))]
        return (MISSING_NAME, OTHER_NAME, *kept), np.array([0, 1, *segment], dtype=np.int64)
    if isinstance(encoder, NumberEncoder):
        ranges = len(encoder.boundaries) + 1
        step = -(-ranges // MOST)
        starts = range(0, ranges, step)
        names = [_range(encoder.boundaries, start, min(start + step, ranges)) for start in starts]
        segment = [1 + min(bucket, ranges - 1) // step for bucket in range(encoder.rows - 1)]
        return (MISSING_NAME, *names), np.array([0, *segment], dtype=np.int64)
    return None


def _range(boundaries: tuple[float, ...], start: int, end: int) -> str:
    """The range of the buckets from `start` to before `end`, in words."""
    low = f"{boundaries[start - 1]:.6g}" if start else ""
    high = f"{boundaries[end - 1]:.6g}" if end <= len(boundaries) else ""
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"above {low}" if low else "any"
