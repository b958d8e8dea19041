"""Gate logits -> the experts each row runs, and with what weight (method.md eq. 3-8)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Selection:
    """What every row chose in one layer.

    Leading shape `...` is (B,) on scenario levels and (B, T) on the task level, where each row has a gate per task.
    """

    node: Tensor
    """int64 (...): the row's node, or the task."""
    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    weight: Tensor
    """(..., E): mixture weights a, exactly 0 outside the union of both sets."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared
