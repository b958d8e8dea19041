"""`Batch`: the tensors of one step.

Axes: B rows, S slots of ids, V values, L scenario levels, T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

NOBODY = 0
"""The number of a user that is not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    ids_BS: Tensor
    """int64; each feature's ids in its own slots, in the plan's order: row indices of its own embedding table, and PAD
    (-1) in slots behind the last value."""
    value_BV: Tensor
    """float32; of each feature that is used as a number its value, in the plan's order (V may be 0); NaN where it is
    missing."""
    node_BL: Tensor
    """int64; each row's node at every scenario level, in the plan's order (L may be 0); UNKNOWN (-1) where the node is
    missing or not in the plan, which only levels with `unknown` take."""
    label_BT: Tensor
    """float32; 0, 1, or NaN where the label is missing or the row outside the task's sample space. Only training and
    metrics look at it."""
    weight_B: Tensor
    """float32; row weights, 1 where the spec names none."""
    user_B: Tensor | None = None
    """int64; a number for each row's user, NOBODY where it is missing; None where nobody asks. Stays on the CPU."""

    @property
    def rows(self) -> int:
        return self.node_BL.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        moved = Batch(*(part.to(device, non_blocking=True) for part in self.parts))
        return moved if self.user_B is None else replace(moved, user_B=self.user_B)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.ids_BS, self.value_BV, self.node_BL, self.label_BT, self.weight_B
