"""`ProcessGroup`: the processes that train one network together, and what they exchange.

torchrun starts them. A single process is a group too (SINGLE_PROCESS), whose exchanges give back what they are given.
Every method of `ProcessGroup` is a collective operation: all processes call it, in the same order.

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
from aesm_dsl.training.distributed.launch import world_size

BUCKET_NUMBERS = 2**23
"""Elements (32 MiB) of the buckets in which dense gradients are summed, each copied into one tensor first."""

TIMEOUT = timedelta(hours=2)
"""How long a process waits for the others: one may have to encode the tables, or to write a large checkpoint."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    rank: int = 0
    """Of this process, from 0."""
    world_size: int = 1
    """How many there are."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reports and writes files."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """The sum of the tensors of all processes; `value` is overwritten with it."""
        if self.world_size > 1:
            dist.all_reduce(value)
        return value

    def minimum(self, value: Tensor) -> Tensor:
        """The element-wise minimum of the tensors of all processes; `value` is overwritten with it."""
        if self.world_size > 1:
            dist.all_reduce(value, dist.ReduceOp.MIN)
        return value

    def maximum(self, count: int) -> int:
        """The highest of the counts of all processes."""
        return -int(self.minimum(torch.tensor(-count)))

    def broadcast(self, value: Tensor) -> Tensor:
        """The tensor of the first process; `value` is overwritten with it."""
        if self.world_size > 1:
            dist.broadcast(value, 0)
        return value

    def broadcast_object(self, value: Any) -> Any:
        """The object of the first process, pickled on the way."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, 0, device=torch.device("cpu"))
        return values[0]

    def gather_objects(self, value: Any) -> list[Any]:
        """In the first process the objects of all, by rank; in the others an empty list."""
        if self.world_size == 1:
            return [value]
        values = [None] * self.world_size if self.is_first else None
        dist.gather_object(value, values, 0)
        return values or []

    def gather_table(self, own_PW: Tensor, rows: int) -> Tensor:
        """Puts a table together whose rows are spread over the processes.

        Args:
            own_PW: this process's rows. The processes have consecutive rows, by rank, all but the last ones equally
                many.
            rows: R, rows of the whole table.

        Returns:
            whole_RW, on the CPU; in other processes than the first it has the right shape, and no meaning.
        """
        each = -(-rows // self.world_size)
        whole_RW = own_PW.new_empty(each * self.world_size, *own_PW.shape[1:], device="cpu")
        part_PW = whole_RW.new_zeros(each, *own_PW.shape[1:])
        part_PW[: len(own_PW)] = own_PW
        dist.gather(part_PW, list(torch.split(whole_RW, each)) if self.is_first else None)
        return whole_RW[:rows]

    def sum_gradients(self, gradients: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> list[Tensor | None]:
        """The sum of the gradients of all processes, for every parameter; None where no process has a gradient.

        Sums of sparse gradients have every row once. All processes get the same bits, so that their weights stay equal.
        The gradient of rows that one process has alone (OwnRows) is left as it is.

        Args:
            gradients: this process's gradient for every parameter, None where there is none.
            parameters: the parameters, in the same order in every process.
        """
        if self.world_size == 1:
            return list(gradients)
        alone = [isinstance(parameter, OwnRows) for parameter in parameters]
        own = [one.coalesce() if one is not None and one.is_sparse else one for one in gradients]
        # The processes first exchange what they have: 0 no gradient, 1 a dense one, 2 + rows a sparse one.
        kinds = torch.tensor([0 if one is None else 2 + one._nnz() if one.is_sparse else 1 for one in own])
        by_process = [torch.empty_like(kinds) for _ in range(self.world_size)]
        dist.all_gather(by_process, kinds)
        kinds = torch.stack(by_process).amax(dim=0)
        to_sum = kinds.masked_fill(torch.tensor(alone), 0).tolist()
        sums = [gradient if is_alone else None for gradient, is_alone in zip(gradients, alone, strict=True)]
        dense = [index for index, kind in enumerate(to_sum) if kind == 1]
        for bucket in _buckets(dense, [parameters[index].numel() for index in dense]):
            parts = [_flat(own[index], parameters[index]) for index in bucket]
            summed = self.sum(torch.cat(parts))
            for index, part in zip(bucket, torch.split(summed, [len(part) for part in parts]), strict=True):
                sums[index] = part.view_as(parameters[index])
        for index, kind in enumerate(to_sum):
            if kind >= 2:
                counts = [max(0, int(kinds[index]) - 2) for kinds in by_process]
                sums[index] = self._sum_sparse(own[index], counts, parameters[index])
        return sums

    def _sum_sparse(self, own: Tensor | None, counts: Sequence[int], table_RW: Tensor) -> Tensor:
        """The sum of the sparse gradients of a table, of which each process has so many rows."""
        rows, most, width = counts[self.rank], max(counts), table_RW.shape[1]
        # all_gather takes tensors of one size: the rows are padded to the largest count.
        row_U = torch.zeros(most, dtype=torch.int64, device=table_RW.device)
        gradient_UW = table_RW.new_zeros(most, width)
        if own is not None:
            row_U[:rows], gradient_UW[:rows] = own._indices()[0], own._values()
        all_rows = [torch.empty_like(row_U) for _ in counts]
        all_gradients = [torch.empty_like(gradient_UW) for _ in counts]
        dist.all_gather(all_rows, row_U)
        dist.all_gather(all_gradients, gradient_UW)
        by_process = [
            (row_U[:count], gradient_UW[:count])
            for row_U, gradient_UW, count in zip(all_rows, all_gradients, counts, strict=True)
        ]
        union_U = torch.unique(torch.cat([row_U for row_U, _ in by_process]))
        sum_UW = table_RW.new_zeros(len(union_U), width)
        # Process after process, each row once, so that every process adds in the same order and gets the same bits.
        for row_U, gradient_UW in by_process:
            sum_UW.index_add_(0, torch.searchsorted(union_U, row_U), gradient_UW)
        return torch.sparse_coo_tensor(union_U[None], sum_UW, table_RW.shape, is_coalesced=True, check_invariants=False)


SINGLE_PROCESS = ProcessGroup()


def join_group(device: torch.device) -> ProcessGroup:
    """Joins the processes that torchrun, or whoever sets its variables, has started; SINGLE_PROCESS without them.

    Tensors on the CPU travel by gloo, those on CUDA by nccl. The connection stays until the process ends.
    """
    if world_size() == 1:
        return SINGLE_PROCESS
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        both = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if both else "gloo", timeout=TIMEOUT)
        atexit.register(dist.destroy_process_group)
    return ProcessGroup(dist.get_rank(), dist.get_world_size())


def _flat(gradient: Tensor | None, parameter: Tensor) -> Tensor:
    return (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1)


def _buckets(indices: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Parameters, by index, in groups of at most BUCKET_NUMBERS elements, or of one parameter that has more."""
    bucket: list[int] = []
    numbers = 0
    for index, size in zip(indices, sizes, strict=True):
        if bucket and numbers + size > BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(index)
        numbers += size
    if bucket:
        yield bucket
