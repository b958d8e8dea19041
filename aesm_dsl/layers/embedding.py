"""`Embedding`: ids -> one vector per row; `Context`: nodes and tasks -> what the gates are told about them.

Axes: B rows, F features, S slots of ids, V values, L scenario levels, T tasks, D width of x, C width of a context,
W of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from aesm_dsl.layers.no_compile import no_compile
from aesm_dsl.layers.pooling import NumberVectors, Pool
from aesm_dsl.layers.pretrained_vectors import PretrainedVectors
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import PAD, UNKNOWN, LevelPlan, TaskLevelPlan
from aesm_dsl.plan.tables import TableKey, table_key, table_keys

START_STD = 0.05
"""Embeddings start at normal(0, 0.05): close together, so that a value seen in few rows says little until it
has earned a vector, but not so close that the first Linear's bias drowns what the row is."""


class Embedding(nn.Module):
    """x_BD: the vectors of all features, concatenated in the order of the plan.

    ids_BS    int64; per slot a row of its feature's own table, row 0 (missing) a trained vector like any other; PAD
              in the slots of a list behind its last value
    value_BV  float32; values of features that are used as numbers, NaN where missing
    Raises ValueError, naming the feature, for an id outside its table. On CUDA and in compiled or exported
    graphs that look would halt the device or break the graph: there such an id is sent outside every table,
    and the lookup fails (on CUDA by the device's own assertion) instead of reading another feature's row.

    Features of equal width live in one table, one below the other: as many lookups as there are widths. A feature that
    has no table of its own looks in the rows of the one it shares; vectors from a file have a table to themselves. The
    gradient of a table that is `sparse` is a sparse tensor: the looked up ids and their rows' gradients. Inductor has
    no such gradients: in a network that is compiled these lookups stay apart, except in inference.
    """

    # Shape suffixes, not mixed case.
    order_S: Tensor
    offset_S: Tensor
    rows_S: Tensor
    least_S: Tensor

    def __init__(self, features: tuple[FeaturePlan, ...], sparse: frozenset[TableKey] = frozenset()) -> None:
        super().__init__()
        self.features = features
        looking = [feature for feature in features if feature.slots]
        places = table_keys(looking)
        offsets = {}
        self.tables, self.sparse = nn.ModuleList(), [place in sparse for place in places]
        for place in places:
            above = 0
            for one in looking:
                if table_key(one) == place and not one.table:
                    offsets[one.name] = above
                    above += one.rows
            if isinstance(place, int):
                self.tables.append(_table(above, place, sparse=place in sparse))
            else:
                owner = next(one for one in looking if one.name == place)
                self.tables.append(PretrainedVectors(owner, START_STD, sparse=place in sparse))
        self.pools = nn.ModuleList(Pool(one, START_STD) for one in features if one.pool)
        valued = [one.width for one in features if one.values]
        self.numbers = NumberVectors(valued, START_STD) if valued else None
        self.parts, self.counts = _parts(features, places)
        of_slot = [one for one in looking for _ in range(one.slots)]
        # Known from the plan, so they stay out of the state that a run saves.
        for name, values in (
            ("order_S", [s for place in places for s, one in enumerate(of_slot) if table_key(one) == place]),
            ("offset_S", [offsets[one.table or one.name] for one in of_slot]),
            ("rows_S", [one.rows for one in of_slot]),
            ("least_S", [PAD if one.pool else 0 for one in of_slot]),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.int64), persistent=False)

    def forward(self, ids_BS: Tensor, value_BV: Tensor) -> Tensor:
        known_BS = ids_BS.clamp(min=0) if len(self.pools) else ids_BS
        if _can_look(ids_BS):
            owners = [(f"feature `{one.name}`", "id", one.rows) for one in self.features for _ in range(one.slots)]
            _refuse_outside(ids_BS, owners, [PAD if one.pool else 0 for one in self.features for _ in range(one.slots)])
            row_BS = known_BS + self.offset_S
        else:
            inside_BS = (ids_BS >= self.least_S) & (ids_BS < self.rows_S)
            row_BS = torch.where(inside_BS, known_BS + self.offset_S, torch.iinfo(torch.int64).max)
        of_table = row_BS.index_select(1, self.order_S).split_with_sizes(self.counts, dim=1)
        looks = [_look_apart if sparse and torch.is_grad_enabled() else _look for sparse in self.sparse]
        found = [look(table, rows) for look, table, rows in zip(looks, self.tables, of_table, strict=True)]
        vector_BN = self.numbers(value_BV) if self.numbers is not None else value_BV
        x: list[Tensor] = []
        pools = iter(self.pools)
        for part in self.parts:
            if part.feature is None:
                x.append(vector_BN[:, part.start : part.stop])
                continue
            vector_BSW = found[part.table][:, part.start : part.stop]
            if part.feature.pool:
                real_BS = ids_BS[:, part.slot : part.slot + part.feature.slots] >= 0
                query_BW = found[part.table][:, part.query] if part.query is not None else None
                x.append(next(pools)(vector_BSW, real_BS, query_BW))
            else:
                x.append(vector_BSW.flatten(1))
        return torch.cat(x, dim=1)

    def extra_repr(self) -> str:
        return f"{len(self.features)} features -> {sum(feature.width for feature in self.features)}"


class Context(nn.Module):
    """What the gates of each level are told about a row's place (step 1 of an AES layer).

    node_BL  int64; each row's node at every level (L may be 0), UNKNOWN where the level takes such rows: they
             share a trained embedding of their own, the last of the table
    returns  per scenario level l: context_BC, the embeddings of the row's nodes at levels 1..l, concatenated;
             and for the task level context_BTC: all of these, and the task's embedding
    Raises ValueError, naming the level, for a node it does not have (CPU; elsewhere the lookup fails).
    """

    def __init__(self, levels: tuple[LevelPlan, ...], tasks: TaskLevelPlan) -> None:
        super().__init__()
        self.levels = levels
        self.nodes = nn.ModuleList(_table(len(level.nodes) + level.unknown, level.width) for level in levels)
        self.tasks = _table(len(tasks.tasks), tasks.width)

    def forward(self, node_BL: Tensor) -> tuple[list[Tensor], Tensor]:
        if _can_look(node_BL):
            sizes = [(f"level `{one.name}`", "node", len(one.nodes)) for one in self.levels]
            _refuse_outside(node_BL, sizes, [UNKNOWN if one.unknown else 0 for one in self.levels])
        task_TW = self.tasks.weight
        context_BC = task_TW.new_zeros(node_BL.shape[0], 0)
        levels: list[Tensor] = []
        for level, table, node_B in zip(self.levels, self.nodes, node_BL.unbind(1), strict=True):
            if level.unknown:
                node_B = torch.where(node_B == UNKNOWN, len(level.nodes), node_B)
            context_BC = torch.cat([context_BC, table(node_B)], dim=1)
            levels.append(context_BC)
        shape = (node_BL.shape[0], task_TW.shape[0], -1)
        context_BTC = torch.cat([context_BC.unsqueeze(1).expand(shape), task_TW.expand(shape)], dim=2)
        return levels, context_BTC


def _table(rows: int, width: int, *, sparse: bool = False) -> nn.Embedding:
    table = nn.Embedding(rows, width, sparse=sparse)
    nn.init.normal_(table.weight, std=START_STD)
    return table


@dataclass(frozen=True, slots=True)
class _Part:
    """Neighbouring columns of x that come from one place."""

    feature: FeaturePlan | None
    """The list, or the first of features of one value each; None for numbers, columns of their vectors."""
    table: int
    start: int
    stop: int
    """From where to where in what the table's lookup gives."""
    slot: int
    """The first slot of its ids."""
    query: int | None
    """Where the table's lookup gives the vector that attention asks with."""


def _parts(features: Sequence[FeaturePlan], places: list[TableKey]) -> tuple[list[_Part], list[int]]:
    """The parts of x in order, and the ids of a row that each table looks up."""
    starts: dict[str, int] = {}
    counts, slot, number = [0] * len(places), 0, 0
    parts: list[_Part] = []
    for one in features:
        table = places.index(table_key(one)) if one.slots else -1
        start = counts[table] if one.slots else number
        stop = start + (one.slots or one.width)
        before = parts[-1] if parts else None
        plain = before is not None and not one.pool and (before.feature is None or not before.feature.pool)
        if before is not None and plain and before.table == table:
            parts[-1] = replace(before, stop=stop)
        else:
            parts.append(_Part(one if one.slots else None, table, start, stop, slot, None))
        starts[one.name], slot = start, slot + one.slots
        if one.slots:
            counts[table] = stop
        else:
            number = stop
    for index, part in enumerate(parts):
        if part.feature is not None and part.feature.pool == "attention":
            parts[index] = replace(part, query=starts[part.feature.table])
    return parts, counts


def _look(table: nn.Module, rows_BS: Tensor) -> Tensor:
    vector_BSW: Tensor = table(rows_BS)
    return vector_BSW


_look_apart = no_compile(_look)


def _can_look(ids: Tensor) -> bool:
    return ids.device.type == "cpu" and not torch.compiler.is_compiling()


def _refuse_outside(ids_BS: Tensor, columns: list[tuple[str, str, int]], least: Sequence[int] | None = None) -> None:
    """Raises for a column (owner, what it holds, how many there are) with a number outside [least, how many)."""
    if ids_BS.shape[1] != len(columns):
        raise ValueError(f"{ids_BS.shape[1]} columns of ids, expected {len(columns)}")
    if ids_BS.numel() == 0:
        return
    lows, highs = ids_BS.amin(0).tolist(), ids_BS.amax(0).tolist()
    for (owner, what, rows), first, low, high in zip(columns, least or [0] * len(columns), lows, highs, strict=True):
        if low < first or high >= rows:
            raise ValueError(f"{owner}: {what} {low if low < first else high}, expected {first} to {rows - 1}")
