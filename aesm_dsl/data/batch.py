"""`Batch`: the tensors of one step.

Axes: B rows, F features, L scenario levels, T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    ids_BF: Tensor
    """int64; ids of each feature in the plan's order, row indices of its own embedding table."""
    node_BL: Tensor
    """int64; each row's node at every scenario level, in the plan's order (L may be 0); UNKNOWN (-1) where the node is
    missing or not in the plan, which only levels with `unknown` take."""
    label_BT: Tensor
    """float32; 0, 1, or NaN where the label is missing or the row outside the task's sample space. Only training and
    metrics look at it."""
    weight_B: Tensor
    """float32; row weights, 1 where the spec names none."""

    @property
    def rows(self) -> int:
        return self.ids_BF.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(part.to(device, non_blocking=True) for part in self.parts))

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.ids_BF, self.node_BL, self.label_BT, self.weight_B
