"""`EncodedTable`: a whole table as tensors, and its batches.

Axes: R rows of the table, B rows of a batch, S slots of ids, V values, L scenario levels, T tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch


@dataclass(frozen=True, slots=True)
class EncodedTable:
    ids_RS: Tensor
    """Each feature's ids in its own slots, in the plan's order; int32 where all tables are small enough (batches widen
    them to int64)."""
    value_RV: Tensor
    """float32; values of the features that are used as numbers, NaN where missing."""
    node_RL: Tensor
    """int64; each row's node at every scenario level, UNKNOWN where it is missing or not in the plan."""
    label_RT: Tensor
    """float32; 0, 1, or NaN where the label is missing or the row outside the task's sample space."""
    weight_R: Tensor
    """float32; row weights, 1 where the plan names none."""

    def __len__(self) -> int:
        return self.node_RL.shape[0]

    def to(self, device: torch.device | str) -> EncodedTable:
        """The same table there; its batches are then gathered there too."""
        return EncodedTable(*(part.to(device) for part in self._parts))

    def take(self, rows: Tensor) -> EncodedTable:
        """The rows of these indices, in this order."""
        return EncodedTable(*(part[rows] for part in self._parts))

    def batches(self, rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """All rows once, `rows` at a time, the last batch with what is left.

        In the table's order, or in a random one drawn from `generator` when it is given (one permutation of
        all rows; each batch gathers its slice of it at once, never row by row).
        """
        if rows < 1:
            raise ValueError(f"a batch needs at least 1 row, not {rows}")
        if generator is None:
            for start in range(0, len(self), rows):
                yield self._batch(slice(start, start + rows))
            return
        order_R = torch.randperm(len(self), generator=generator, device=generator.device)
        order_R = order_R.to(self.ids_RS.device)
        for start in range(0, len(self), rows):
            yield self._batch(order_R[start : start + rows])

    def _batch(self, chosen: slice | Tensor) -> Batch:
        ids_BS, *others = (part[chosen] for part in self._parts)
        return Batch(ids_BS.long(), *others)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.ids_RS, self.value_RV, self.node_RL, self.label_RT, self.weight_R
