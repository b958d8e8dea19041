"""`Peers`: the processes that train one network together, as torchrun starts them, and what they tell each other.

All that one process does alone is done by ALONE, which tells itself. Every method of `Peers` is a meeting: all
processes call it, in the same order.

Axes: R rows of a table, U of them that have a gradient, P of them that one process has alone, W width.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from aesm_dsl.layers.sharded_embedding import OwnRows
from aesm_dsl.training.distributed.launch import world

BUCKET_NUMBERS = 2**23
"""Dense gradients are added in pieces of so many numbers (32 MiB), each copied into one tensor first."""

PATIENCE = timedelta(hours=2)
"""How long the others are waited for: one may have to encode the tables, or to write a large checkpoint."""


@dataclass(frozen=True, slots=True)
class Peers:
    rank: int = 0
    """Of this process, from 0."""
    world: int = 1
    """How many there are."""

    @property
    def first(self) -> bool:
        """Whether this is the one that tells and writes."""
        return self.rank == 0

    def add(self, value: Tensor) -> Tensor:
        """The sum of the tensors of all, in place of this one's."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def lowest(self, value: Tensor) -> Tensor:
        """The least of the tensors of all, number by number, in place of this one's."""
        if self.world > 1:
            dist.all_reduce(value, dist.ReduceOp.MIN)
        return value

    def most(self, count: int) -> int:
        """The highest of the counts of all."""
        return -int(self.lowest(torch.tensor(-count)))

    def same(self, value: Tensor) -> Tensor:
        """The tensor of the first, in place of this one's."""
        if self.world > 1:
            dist.broadcast(value, 0)
        return value

    def told(self, value: Any) -> Any:
        """What the first has."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, 0, device=torch.device("cpu"))
        return values[0]

    def gathered(self, value: Any) -> list[Any]:
        """What all have, in order; of another process than the first an empty list."""
        if self.world == 1:
            return [value]
        found = [None] * self.world if self.first else None
        dist.gather_object(value, found, 0)
        return found or []

    def whole(self, own_PW: Tensor, rows: int) -> Tensor:
        """The table of so many rows whose parts the processes have, in order, all but the last ones equally large; on
        the CPU. Of another process than the first it has the shape, and says nothing."""
        each = -(-rows // self.world)
        whole_RW = own_PW.new_empty(each * self.world, *own_PW.shape[1:], device="cpu")
        part_PW = whole_RW.new_zeros(each, *own_PW.shape[1:])
        part_PW[: len(own_PW)] = own_PW
        dist.gather(part_PW, list(torch.split(whole_RW, each)) if self.first else None)
        return whole_RW[:rows]

    def add_gradients(self, found: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> list[Tensor | None]:
        """The sums of the gradients of all by parameter, None for one that no process has a gradient for.

        Sums of sparse ones have every row once. All processes get the same bits: the weights stay equal. The gradient
        of rows that one process has alone (OwnRows) is left as it is.
        """
        if self.world == 1:
            return list(found)
        alone = [isinstance(one, OwnRows) for one in parameters]
        own = [one.coalesce() if one is not None and one.is_sparse else one for one in found]
        # 0 where there is none, 1 of a dense one, 2 + rows of a sparse one.
        kinds = torch.tensor([0 if one is None else 2 + one._nnz() if one.is_sparse else 1 for one in own])
        of_all = [torch.empty_like(kinds) for _ in range(self.world)]
        dist.all_gather(of_all, kinds)
        kinds = torch.stack(of_all).amax(dim=0)
        some = kinds.masked_fill(torch.tensor(alone), 0).tolist()
        total = [one if apart else None for one, apart in zip(found, alone, strict=True)]
        dense = [place for place, kind in enumerate(some) if kind == 1]
        for bucket in _buckets(dense, [parameters[place].numel() for place in dense]):
            parts = [_flat(own[place], parameters[place]) for place in bucket]
            whole = self.add(torch.cat(parts))
            for place, part in zip(bucket, torch.split(whole, [len(part) for part in parts]), strict=True):
                total[place] = part.view_as(parameters[place])
        for place, kind in enumerate(some):
            if kind >= 2:
                counts = [max(0, int(one[place]) - 2) for one in of_all]
                total[place] = self._sparse(own[place], counts, parameters[place])
        return total

    def _sparse(self, own: Tensor | None, counts: Sequence[int], table_RW: Tensor) -> Tensor:
        rows, most, width = counts[self.rank], max(counts), table_RW.shape[1]
        row_U = torch.zeros(most, dtype=torch.int64, device=table_RW.device)
        gradient_UW = table_RW.new_zeros(most, width)
        if own is not None:
            row_U[:rows], gradient_UW[:rows] = own._indices()[0], own._values()
        rows_of = [torch.empty_like(row_U) for _ in counts]
        gradients_of = [torch.empty_like(gradient_UW) for _ in counts]
        dist.all_gather(rows_of, row_U)
        dist.all_gather(gradients_of, gradient_UW)
        of_all = [(one[:count], other[:count]) for one, other, count in zip(rows_of, gradients_of, counts, strict=True)]
        seen_U = torch.unique(torch.cat([one for one, _ in of_all]))
        sum_UW = table_RW.new_zeros(len(seen_U), width)
        for one, gradient in of_all:  # one after the other, each row once: added in the same order everywhere
            sum_UW.index_add_(0, torch.searchsorted(seen_U, one), gradient)
        return torch.sparse_coo_tensor(seen_U[None], sum_UW, table_RW.shape, is_coalesced=True, check_invariants=False)


ALONE = Peers()


def together(device: torch.device) -> Peers:
    """All processes that torchrun, or whoever sets its variables, has started; ALONE without them.

    Tensors on the CPU travel by gloo, those on CUDA by nccl. The connection stays until the process ends.
    """
    if world() == 1:
        return ALONE
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        both = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if both else "gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return Peers(dist.get_rank(), dist.get_world_size())


def _flat(gradient: Tensor | None, parameter: Tensor) -> Tensor:
    return (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1)


def _buckets(places: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    bucket: list[int] = []
    numbers = 0
    for place, size in zip(places, sizes, strict=True):
        if bucket and numbers + size > BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(place)
        numbers += size
    if bucket:
        yield bucket
