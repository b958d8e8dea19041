"""`ShardedTable`: the rows of a large embedding table that one of several processes holds.

Ids are sent to the processes that hold their rows, and vectors come back, by TorchRec's row-wise sharding: fbgemm sorts
the ids by process, two exchanges carry the ids and the vectors, and a third one carries the gradients. In between, a
row is looked up and updated as in an unsharded table: with a sparse gradient, by the same optimizer.

Axes: R rows of the whole table, P rows of this process, N ids, U different ids, W width.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional


class OwnRows(nn.Parameter):
    """Rows that no other process holds, so that their gradient in this process is complete."""


class ShardedTable(nn.Embedding):
    """An embedding whose rows are spread over the processes; all processes call it together, each with its own ids.

    It returns the same vectors as the whole table. It needs torchrec and an initialised process group. TorchRec's
    division of gradients by the number of processes is turned off, because the losses here are already means over the
    rows of all processes.
    """

    def __init__(self, whole: nn.Embedding, rank: int, world: int, device: torch.device) -> None:
        """Keeps this process's rows of a table.

        Each process gets as many rows as in TorchRec: R / processes, rounded up; the last ones get what is left.

        Args:
            whole: the whole table, with sparse gradients.
            rank: the number of this process.
            world: the number of processes.
            device: the device of the ids and of the rows.
        """
        self.whole_rows, each = whole.num_embeddings, -(-whole.num_embeddings // world)
        self.first = min(rank * each, self.whole_rows)
        own_PW = whole.weight.detach()[self.first : self.first + each].clone()
        super().__init__(len(own_PW), whole.embedding_dim, sparse=True, _weight=own_PW)
        self.weight = OwnRows(own_PW)
        self._exchange = _Exchange(self.whole_rows, device)

    def forward(self, id: Tensor) -> Tensor:
        """Returns the vectors of ids (int64, any shape, possibly empty on some processes), with W as one more axis.

        Raises:
            ValueError: an id is outside the whole table.
        """
        row_U, place_N = torch.unique(id, return_inverse=True)  # sorted
        if len(row_U) and not 0 <= int(row_U[0]) <= int(row_U[-1]) < self.whole_rows:
            raise ValueError(f"row {int(row_U[0])} to {int(row_U[-1])} of a table of {self.whole_rows} rows")
        vector_UW: Tensor = self._exchange(row_U, self.weight)
        return functional.embedding(place_N, vector_UW)

    def own_rows(self, whole: Tensor) -> Tensor:
        """Returns the part for this process's rows of something that has an entry for every row of the whole table."""
        return whole[self.first : self.first + self.num_embeddings].clone()

    def extra_repr(self) -> str:
        return f"{self.num_embeddings} of {self.whole_rows} rows, {self.embedding_dim}"


class _Exchange:
    """Row numbers (row_U) and rows (weight_PW) of every process -> the vectors (vector_UW) that it asked for.

    Not a module: nothing in it is saved with the weights.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        from torchrec.distributed.comm_ops import set_gradient_division
        from torchrec.distributed.sharding.rw_sequence_sharding import RwSequenceEmbeddingDist
        from torchrec.distributed.sharding.rw_sharding import RwSparseFeaturesDist

        set_gradient_division(False)
        group = distributed.group.WORLD
        self.send_ids: Any = RwSparseFeaturesDist(group, 1, [rows], device=device, is_sequence=True)
        self.send_vectors: Any = RwSequenceEmbeddingDist(group, 1, device)

    def __call__(self, row_U: Tensor, weight_PW: Tensor) -> Tensor:
        from torchrec.distributed.embedding import EmbeddingCollectionContext
        from torchrec.distributed.embedding_sharding import KJTListSplitsAwaitable
        from torchrec.distributed.sharding.sequence_sharding import SequenceShardingContext
        from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

        # One feature with one row that has all ids: so TorchRec sends only a number or two beside the ids.
        length = torch.tensor([len(row_U)], device=row_U.device)
        ids: Any = KeyedJaggedTensor(keys=["row"], values=row_U, lengths=length)
        waiting = self.send_ids(ids)
        context: Any = SequenceShardingContext(
            features_before_input_dist=ids, unbucketize_permute_tensor=self.send_ids.unbucketize_permute_tensor
        )
        contexts = EmbeddingCollectionContext(sharding_contexts=[context])
        (asked,) = KJTListSplitsAwaitable([waiting], contexts).wait().wait()
        context.lengths_after_input_dist = asked.lengths().view(-1, asked.stride())
        vectors = functional.embedding(asked.values(), weight_PW, sparse=True)
        vector_UW: Tensor = self.send_vectors(vectors, context).wait().view(len(row_U), weight_PW.shape[1])
        return vector_UW

    def __deepcopy__(self, known: dict[int, Any]) -> Self:
        return self  # it holds the process group, which cannot be copied; a copy of the table may use the same one


def sharded_tables(network: nn.Module) -> dict[str, ShardedTable]:
    """Returns the sharded tables of a network by the names of their weights, in the order of its lookups."""
    modules = network.named_modules()
    return {f"{name}.weight": module for name, module in modules if isinstance(module, ShardedTable)}
