"""`ShardedTable`: those rows of a large embedding table that one of several processes has; the others have the rest.

Ids travel to the processes that have their rows, and vectors back, by TorchRec's row-wise sharding: fbgemm sorts the
ids by process, two exchanges carry them and the vectors, a third one the gradients. Between them a row is looked up
and moved as ever: by a sparse gradient, and by the optimiser that the tables of one process have.

Axes: R rows of the whole table, P of them this process's own, N ids, U different ones, W width.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional


class OwnRows(nn.Parameter):
    """Rows that no other process has: what this one knows of their gradient is all of it."""


class ShardedTable(nn.Embedding):
    """id -> vector, as `whole` gives it, whichever process has the row: all call it together, each with its own ids.

    whole   the table; sparse. This process keeps the rows from `first` on, as many as TorchRec gives to each: the
            whole number above R / processes, and the last of them what is left
    device  where ids will come from, and the rows will be
    id      int64, of any shape, on some processes none; the result has one axis more
    Raises ValueError for an id outside the whole table. Needs torchrec, and an initialised process group; turns its
    division of gradients by the number of processes off, for the losses here are means over the rows of all.
    """

    def __init__(self, whole: nn.Embedding, rank: int, world: int, device: torch.device) -> None:
        self.whole_rows, each = whole.num_embeddings, -(-whole.num_embeddings // world)
        self.first = min(rank * each, self.whole_rows)
        own_PW = whole.weight.detach()[self.first : self.first + each].clone()
        super().__init__(len(own_PW), whole.embedding_dim, sparse=True, _weight=own_PW)
        self.weight = OwnRows(own_PW)
        self._travel = _Travel(self.whole_rows, device)

    def forward(self, id: Tensor) -> Tensor:
        row_U, place_N = torch.unique(id, return_inverse=True)  # sorted
        if len(row_U) and not 0 <= int(row_U[0]) <= int(row_U[-1]) < self.whole_rows:
            raise ValueError(f"row {int(row_U[0])} to {int(row_U[-1])} of a table of {self.whole_rows} rows")
        vector_UW: Tensor = self._travel(row_U, self.weight)
        return functional.embedding(place_N, vector_UW)

    def own(self, whole: Tensor) -> Tensor:
        """Of something about every row of the whole table, the part about this process's."""
        return whole[self.first : self.first + self.num_embeddings].clone()

    def extra_repr(self) -> str:
        return f"{self.num_embeddings} of {self.whole_rows} rows, {self.embedding_dim}"


class _Travel:
    """row_U, weight_PW of every process -> vector_UW of its rows. Not a module: nothing in it is kept with weights."""

    def __init__(self, rows: int, device: torch.device) -> None:
        from torchrec.distributed.comm_ops import set_gradient_division
        from torchrec.distributed.sharding.rw_sequence_sharding import RwSequenceEmbeddingDist
        from torchrec.distributed.sharding.rw_sharding import RwSparseFeaturesDist

        set_gradient_division(False)
        group = distributed.group.WORLD
        self.there: Any = RwSparseFeaturesDist(group, 1, [rows], device=device, is_sequence=True)
        self.back: Any = RwSequenceEmbeddingDist(group, 1, device)

    def __call__(self, row_U: Tensor, weight_PW: Tensor) -> Tensor:
        from torchrec.distributed.embedding import EmbeddingCollectionContext
        from torchrec.distributed.embedding_sharding import KJTListSplitsAwaitable
        from torchrec.distributed.sharding.sequence_sharding import SequenceShardingContext
        from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

        # One feature of one row that has all ids: what TorchRec sends beside the ids is a number or two.
        length = torch.tensor([len(row_U)], device=row_U.device)
        sent: Any = KeyedJaggedTensor(keys=["row"], values=row_U, lengths=length)
        waiting = self.there(sent)
        way: Any = SequenceShardingContext(
            features_before_input_dist=sent, unbucketize_permute_tensor=self.there.unbucketize_permute_tensor
        )
        (asked,) = KJTListSplitsAwaitable([waiting], EmbeddingCollectionContext(sharding_contexts=[way])).wait().wait()
        way.lengths_after_input_dist = asked.lengths().view(-1, asked.stride())
        found = functional.embedding(asked.values(), weight_PW, sparse=True)
        vector_UW: Tensor = self.back(found, way).wait().view(len(row_U), weight_PW.shape[1])
        return vector_UW

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        return self  # holds the process group, which has no copy; a copy of the table may use it too


def sharded_tables(network: nn.Module) -> dict[str, ShardedTable]:
    """The sharded tables of a network by the names of their weights, in the order in which it looks them up."""
    return {f"{name}.weight": one for name, one in network.named_modules() if isinstance(one, ShardedTable)}
