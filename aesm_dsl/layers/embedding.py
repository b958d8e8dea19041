"""`Embedding`: ids -> one vector per row; `Context`: nodes and tasks -> the context of the gates.

Axes: B rows, F features, S slots of ids, V values, N widths of all numbers, L scenario levels, T tasks, D width of x,
C width of a context, W width of one table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from aesm_dsl.layers.no_compile import no_compile
from aesm_dsl.layers.numbers import NumberVectors
from aesm_dsl.layers.pooling import Pool
from aesm_dsl.layers.pretrained_vectors import PretrainedVectors
from aesm_dsl.layers.transformer import TransformerPool
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import PAD, UNKNOWN, LevelPlan, TaskLevelPlan
from aesm_dsl.plan.pools import PoolPlan, pools_of
from aesm_dsl.plan.tables import TableKey, table_key, table_keys

START_STD = 0.05
"""Standard deviation of new embeddings: small, so that a value seen in few rows says little until it has learnt a
vector, but not so small that the first Linear's bias dominates what the features say. `_start_std` makes it smaller in
large tables."""


class Embedding(nn.Module):
    """x_BD: the vectors of all features, concatenated in the plan's order.

    Features of equal width share one table, their rows one feature after the other, so there are only as many lookups
    as widths. A feature without a table of its own uses the rows of the feature that it shares; vectors from a file
    have a table of their own. The gradient of a sparse table is a sparse tensor: the looked-up ids and the gradients of
    their rows.
    """

    # Shape suffixes, not mixed case.
    order_S: Tensor
    offset_S: Tensor
    rows_S: Tensor
    least_S: Tensor

    def __init__(self, features: tuple[FeaturePlan, ...], sparse: frozenset[TableKey] = frozenset()) -> None:
        super().__init__()
        self.features = features
        with_ids = [feature for feature in features if feature.slots]
        keys = table_keys(with_ids)
        offsets = {}
        self.tables, self.sparse = nn.ModuleList(), [key in sparse for key in keys]
        for key in keys:
            rows, std_of_rows = 0, list[Tensor]()
            for feature in with_ids:
                if table_key(feature) == key and not feature.table:
                    offsets[feature.name] = rows
                    rows += feature.rows
                    std_of_rows.append(torch.full((feature.rows, 1), _start_std(feature.rows)))
            if isinstance(key, int):
                table = nn.Embedding(rows, key, sparse=key in sparse)
                with torch.no_grad():
                    table.weight.normal_().mul_(torch.cat(std_of_rows))
                self.tables.append(table)
            else:
                owner = next(feature for feature in with_ids if feature.name == key)
                self.tables.append(PretrainedVectors(owner, START_STD, sparse=key in sparse))
        self.pool_plans = pools_of(features)
        self.pools = nn.ModuleList(
            (TransformerPool if plan.kind == "transformer" else Pool)(plan, START_STD) for plan in self.pool_plans
        )
        numbers = [feature for feature in features if feature.values]
        self.numbers = NumberVectors(numbers, START_STD) if numbers else None
        self.parts, self.counts = _parts(features, keys)
        of_slot = [feature for feature in with_ids for _ in range(feature.slots)]
        # Known from the plan, so they are not saved with the weights of a run.
        for name, values in (
            ("order_S", [s for key in keys for s, feature in enumerate(of_slot) if table_key(feature) == key]),
            ("offset_S", [offsets[feature.table or feature.name] for feature in of_slot]),
            ("rows_S", [feature.rows for feature in of_slot]),
            ("least_S", [PAD if feature.pool else 0 for feature in of_slot]),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.int64), persistent=False)

    def forward(self, ids_BS: Tensor, value_BV: Tensor) -> Tensor:
        """Looks up the vectors.

        Args:
            ids_BS: int64; for each slot a row of its feature's own table. Row 0 (missing) is a trained vector like any
                other; PAD in the slots after the last value of a list.
            value_BV: float32; values of features that are used as numbers, NaN if missing.

        Raises:
            ValueError: an id is outside its table; names the feature. Only on the CPU, outside compiled and exported
                graphs: elsewhere the check would stop the device or break the graph. There such an id is moved outside
                every table, so that the lookup fails (on CUDA by the device's own assertion) instead of reading another
                feature's row.
        """
        known_BS = ids_BS.clamp(min=0) if len(self.pools) else ids_BS
        if _can_check(ids_BS):
            features = [feature for feature in self.features for _ in range(feature.slots)]
            owners = [(f"feature `{feature.name}`", "id", feature.rows) for feature in features]
            _check_range(ids_BS, owners, [PAD if feature.pool else 0 for feature in features])
            row_BS = known_BS + self.offset_S
        else:
            inside_BS = (ids_BS >= self.least_S) & (ids_BS < self.rows_S)
            row_BS = torch.where(inside_BS, known_BS + self.offset_S, torch.iinfo(torch.int64).max)
        of_table = row_BS.index_select(1, self.order_S).split_with_sizes(self.counts, dim=1)
        # Inductor has no sparse gradients: their lookups stay outside compiled graphs, except in inference.
        lookups = [_look_up_uncompiled if sparse and torch.is_grad_enabled() else _look_up for sparse in self.sparse]
        vectors = [look_up(table, rows) for look_up, table, rows in zip(lookups, self.tables, of_table, strict=True)]
        vector_BN = self.numbers(value_BV) if self.numbers is not None else value_BV
        x: list[Tensor] = []
        pooled = dict[str, Tensor]()
        for plan, pool in zip(self.pool_plans, self.pools, strict=True):
            pooled |= self._pooled(plan, pool, ids_BS, vectors)
        for part in self.parts:
            if part.feature is None:
                x.append(vector_BN[:, part.start : part.stop])
            elif part.feature.pool:
                x.append(pooled[part.feature.name])
            else:
                x.append(vectors[part.table][:, part.start : part.stop].flatten(1))
        return torch.cat(x, dim=1)

    def _pooled(self, plan: PoolPlan, pool: nn.Module, ids_BS: Tensor, vectors: list[Tensor]) -> dict[str, Tensor]:
        """The part of x of each feature of a pool, by name. A slot holds a step if one of its values is there."""
        parts = {part.feature.name: part for part in self.parts if part.feature is not None}
        members = [parts[name] for name in plan.names]
        vector_BSW = _joined([vectors[part.table][:, part.start : part.stop] for part in members])
        real_BS = ids_BS[:, members[0].slot : members[0].slot + plan.slots] >= 0
        for part in members[1:]:
            real_BS = real_BS | (ids_BS[:, part.slot : part.slot + plan.slots] >= 0)
        queries = [vectors[part.table][:, part.query] for part in members if part.query is not None]
        pooled_BW: Tensor = pool(vector_BSW, real_BS, _joined(queries) if queries else None)
        return dict(zip(plan.names, pooled_BW.split_with_sizes(list(plan.widths), dim=1), strict=True))

    def extra_repr(self) -> str:
        return f"{len(self.features)} features -> {sum(feature.width for feature in self.features)}"


class NodeEmbeddings(nn.Module):
    """The embedding of the row's node at each level."""

    def __init__(self, levels: tuple[LevelPlan, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.nodes = nn.ModuleList(_table(len(level.nodes) + level.unknown, level.width) for level in levels)

    def of_levels(self, node_BL: Tensor) -> list[Tensor]:
        """Returns the embeddings of the row's nodes, level by level; arguments and errors are those of `Context`."""
        if _can_check(node_BL):
            owners = [(f"level `{level.name}`", "node", len(level.nodes)) for level in self.levels]
            _check_range(node_BL, owners, [UNKNOWN if level.unknown else 0 for level in self.levels])
        embeddings: list[Tensor] = []
        for level, table, node_B in zip(self.levels, self.nodes, node_BL.unbind(1), strict=True):
            if level.unknown:
                node_B = torch.where(node_B == UNKNOWN, len(level.nodes), node_B)
            embeddings.append(table(node_B))
        return embeddings


class Context(NodeEmbeddings):
    """The context c of the gates of each level: embeddings of the row's nodes, and of the tasks (method.md eq. 1)."""

    def __init__(self, levels: tuple[LevelPlan, ...], tasks: TaskLevelPlan) -> None:
        super().__init__(levels)
        self.tasks = _table(len(tasks.tasks), tasks.width)

    def forward(self, node_BL: Tensor) -> tuple[list[Tensor], Tensor]:
        """Looks up the embeddings.

        Args:
            node_BL: int64; each row's node at every level (L may be 0), UNKNOWN if the level allows it: such rows share
                a trained embedding of their own, the last of the table.

        Returns:
            For each scenario level l context_BC, the embeddings of the row's nodes at levels 1..l, concatenated; and
            for the task level context_BTC, all of these and the task's embedding.

        Raises:
            ValueError: a level does not have a node; names the level. Only on the CPU; elsewhere the lookup fails.
        """
        task_TW = self.tasks.weight
        context_BC = task_TW.new_zeros(node_BL.shape[0], 0)
        levels: list[Tensor] = []
        for node_BW in self.of_levels(node_BL):
            context_BC = torch.cat([context_BC, node_BW], dim=1)
            levels.append(context_BC)
        shape = (node_BL.shape[0], task_TW.shape[0], -1)
        context_BTC = torch.cat([context_BC.unsqueeze(1).expand(shape), task_TW.expand(shape)], dim=2)
        return levels, context_BTC


def _start_std(rows: int) -> float:
    """The standard deviation of new embeddings of a feature with so many rows.

    That of uniform(-1 / sqrt(rows), 1 / sqrt(rows)), as in DLRM (Naumov et al. 2019), but at most START_STD: the more
    values a feature has, the fewer training rows each of them has to forget what it began with.
    """
    return min(START_STD, 1 / math.sqrt(3 * rows))


def _table(rows: int, width: int) -> nn.Embedding:
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=START_STD)
    return table


@dataclass(frozen=True, slots=True)
class _Part:
    """Adjacent columns of x that come from one lookup, one pool, or the numbers."""

    feature: FeaturePlan | None
    """The list, or the first of several features with one value each; None for numbers."""
    table: int
    """Index of the table; -1 for numbers."""
    start: int
    stop: int
    """The columns that the part takes from the result of the table's lookup, or from the vectors of the numbers."""
    slot: int
    """The first slot of its ids."""
    query: int | None
    """The column of the lookup's result that holds the query vector of attention, or a transformer's candidate."""


def _parts(features: Sequence[FeaturePlan], keys: list[TableKey]) -> tuple[list[_Part], list[int]]:
    """The parts of x in order, and how many ids of a row each table looks up."""
    starts: dict[str, int] = {}
    counts, slot, number = [0] * len(keys), 0, 0
    parts: list[_Part] = []
    for feature in features:
        table = keys.index(table_key(feature)) if feature.slots else -1
        start = counts[table] if feature.slots else number
        stop = start + (feature.slots or feature.width)
        before = parts[-1] if parts else None
        plain = before is not None and not feature.pool and (before.feature is None or not before.feature.pool)
        if before is not None and plain and before.table == table:
            parts[-1] = replace(before, stop=stop)
        else:
            parts.append(_Part(feature if feature.slots else None, table, start, stop, slot, None))
        starts[feature.name], slot = start, slot + feature.slots
        if feature.slots:
            counts[table] = stop
        else:
            number = stop
    for index, part in enumerate(parts):
        if part.feature is not None and part.feature.pool in ("attention", "transformer") and part.feature.table:
            parts[index] = replace(part, query=starts[part.feature.table])
    return parts, counts


def _joined(vectors: list[Tensor]) -> Tensor:
    return vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=-1)


def _look_up(table: nn.Module, rows_BS: Tensor) -> Tensor:
    vector_BSW: Tensor = table(rows_BS)
    return vector_BSW


_look_up_uncompiled = no_compile(_look_up)


def _can_check(ids: Tensor) -> bool:
    """Whether the values of ids can be read without stopping a device or breaking a graph."""
    return ids.device.type == "cpu" and not torch.compiler.is_compiling()


def _check_range(ids_BS: Tensor, owners: list[tuple[str, str, int]], least: Sequence[int]) -> None:
    """Raises ValueError if a column has an id outside [least, rows).

    Args:
        ids_BS: the ids.
        owners: for each column its owner, what its ids are, and the number of rows.
        least: for each column the least id.
    """
    if ids_BS.shape[1] != len(owners):
        raise ValueError(f"{ids_BS.shape[1]} columns of ids, expected {len(owners)}")
    if ids_BS.numel() == 0:
        return
    lows, highs = ids_BS.amin(0).tolist(), ids_BS.amax(0).tolist()
    for (owner, noun, rows), first, low, high in zip(owners, least, lows, highs, strict=True):
        if low < first or high >= rows:
            raise ValueError(f"{owner}: {noun} {low if low < first else high}, expected {first} to {rows - 1}")
