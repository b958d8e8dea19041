"""`Batch`: the tensors of one step.

Axes: B rows, S slots of ids, V values, L scenario levels, T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

NOBODY = 0
"""The number of an unknown user, and of an unknown query."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step: what the network reads, labels and weights."""

    ids_BS: Tensor
    """int64; each feature's ids in its own slots, in the plan's order: row indices of its embedding table, and PAD
    (-1) in the slots after the last value."""
    value_BV: Tensor
    """float32; the values of the features that are used as numbers, in the plan's order (V may be 0); NaN if
    missing."""
    node_BL: Tensor
    """int64; each row's node at every scenario level, in the plan's order (L may be 0); UNKNOWN (-1) if the node is
    missing or not in the plan, which only levels with `unknown` accept."""
    label_BT: Tensor
    """float32; 0, 1, or NaN if the label is missing or the row is outside the task's sample space. Used only by
    training and metrics."""
    weight_B: Tensor
    """float32; row weights, 1 if the spec names none."""
    user_B: Tensor | None = None
    """int64; a number for each row's user, NOBODY if the user is missing; None if no users are read. It stays on the
    CPU."""
    query_B: Tensor | None = None
    """The same for each row's query."""

    @property
    def rows(self) -> int:
        """The number of rows, B."""
        return self.node_BL.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch with all tensors on the device, except `user_B` and `query_B`."""
        moved = Batch(*(part.to(device, non_blocking=True) for part in self.parts))
        kept = self.user_B is not None or self.query_B is not None
        return replace(moved, user_B=self.user_B, query_B=self.query_B) if kept else moved

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """All tensors but `user_B` and `query_B`."""
        return self.ids_BS, self.value_BV, self.node_BL, self.label_BT, self.weight_B
