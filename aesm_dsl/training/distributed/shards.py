"""Embedding tables that the processes of a training share, each with a part of the rows (layers/sharded_embedding.py).

Before training every process draws the whole tables, as a single process would, and keeps its part. Checkpoints hold
whole tables, which the first process gathers; after training all processes have whole tables again. What a training
leaves behind looks as if the tables had never been sharded.

Axes: R rows of a whole table, P of them a process's own, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.sharded_embedding import ShardedTable, sharded_tables
from aesm_dsl.training.distributed.process_group import ProcessGroup

SETTING = "train.tables"


def report_unsharded(network: nn.Module, processes: ProcessGroup, findings: Findings, locate: Locate) -> None:
    """Warns (W605) if no table of the network is sharded, though the plan asks for it."""
    if sharded_tables(network):
        return
    alone = processes.world_size == 1
    findings.add(
        "W605",
        "no embedding table is sharded",
        locate(SETTING),
        label="there is one process" if alone else "none has so many rows that a step moves some of them only",
        help="start several with torchrun" if alone else "write `embeddings = sparse` to shard all of them",
    )


def shard_tables(network: nn.Module, processes: ProcessGroup, device: torch.device) -> None:
    """Replaces every sparse table of a network by this process's part of its rows.

    Args:
        network: the network, on the CPU.
        processes: the processes that share the tables.
        device: where the network will go.
    """
    for parent, name, table in _tables(network, nn.Embedding):
        if table.sparse and processes.world_size > 1:
            setattr(parent, name, ShardedTable(table, processes.rank, processes.world_size, device))


def unshard_tables(network: nn.Module, processes: ProcessGroup) -> None:
    """Puts whole tables, on the CPU, in the place of all shards. Every process must call it."""
    for parent, name, shard in _tables(network, ShardedTable):
        whole_RW = processes.broadcast(processes.gather_table(shard.weight.detach(), shard.whole_rows))
        rows, width = whole_RW.shape
        setattr(parent, name, nn.Embedding(rows, width, sparse=True, _weight=whole_RW))


def _tables(network: nn.Module, kind: type[Any]) -> list[tuple[nn.Module, str, Any]]:
    parents = list(network.modules())
    return [
        (parent, name, module)
        for parent in parents
        for name, module in parent.named_children()
        if isinstance(module, kind)
    ]


def join_lookups(network: nn.Module, lookups: int) -> None:
    """Takes part in lookups of processes that have more batches than this one, in every sharded table."""
    for _ in range(lookups):
        for shard in sharded_tables(network).values():
            shard(torch.zeros(0, dtype=torch.int64, device=shard.weight.device))


def whole_state(state: Mapping[str, Tensor], network: nn.Module, processes: ProcessGroup) -> dict[str, Tensor]:
    """Returns the weights of a network, with whole tables in the place of shards.

    Every process must call it; only in the first one the tables have a meaning.
    """
    sharded = sharded_tables(network)
    return {
        key: processes.gather_table(weight, sharded[key].whole_rows) if key in sharded else weight
        for key, weight in state.items()
    }


def own_state(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Returns what `whole_state` gave, with this process's rows in the place of whole tables."""
    sharded = sharded_tables(network)
    return {key: sharded[key].own_rows(weight) if key in sharded else weight for key, weight in state.items()}


def whole_optimizer_state(
    optimizer: torch.optim.Optimizer, network: nn.Module, processes: ProcessGroup
) -> dict[str, Any]:
    """Returns the state of an optimizer, with the whole of what it keeps for the rows of sharded tables.

    Every process must call it; only in the first one the state of the tables has a meaning.
    """
    return _with_sharded_state(
        optimizer.state_dict(),
        optimizer,
        network,
        lambda shard, value: (
            processes.gather_table(value, shard.whole_rows) if value.shape == shard.weight.shape else value
        ),
    )


def own_optimizer_state(
    state: Mapping[str, Any], optimizer: torch.optim.Optimizer, network: nn.Module
) -> dict[str, Any]:
    """Returns what `whole_optimizer_state` gave, with this process's rows of sharded tables."""
    return _with_sharded_state(
        state,
        optimizer,
        network,
        lambda shard, value: shard.own_rows(value) if value.shape == (shard.whole_rows, shard.embedding_dim) else value,
    )


def _with_sharded_state(
    state: Mapping[str, Any], optimizer: torch.optim.Optimizer, network: nn.Module, change: Any
) -> dict[str, Any]:
    """The state of an optimizer, with `change(shard, tensor)` in the place of what it keeps for sharded tables."""
    shards = {id(shard.weight): shard for shard in sharded_tables(network).values()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    changed = {}
    for index, values in state["state"].items():
        shard = shards.get(id(parameters[index]))
        tensors = {
            key: change(shard, tensor)
            for key, tensor in values.items()
            if shard is not None and torch.is_tensor(tensor)
        }
        changed[index] = {**values, **tensors}
    return {**state, "state": changed}
