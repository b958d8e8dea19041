"""`Embedding`: ids -> one vector per row; `Context`: nodes and tasks -> what the gates are told about them.

Axes: B rows, F features, S slots of ids, V values, L scenario levels, T tasks, D width of x, C width of a context,
W of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from aesm_dsl.plan import UNKNOWN, FeaturePlan, LevelPlan, TaskLevelPlan

START_STD = 0.05
"""Embeddings start at normal(0, 0.05): close together, so that a value seen in few rows says little until it
has earned a vector, but not so close that the first Linear's bias drowns what the row is."""


class Embedding(nn.Module):
    """x_BD: the vectors of all features, concatenated in the order of the plan.

    ids_BS    int64; per feature a row of its own table, row 0 (missing) a trained vector like any other
    value_BV  float32; values of features that are used as numbers
    Raises ValueError, naming the feature, for an id outside its table. On CUDA and in compiled or exported
    graphs that look would halt the device or break the graph: there such an id is sent outside every table,
    and the lookup fails (on CUDA by the device's own assertion) instead of reading another feature's row.

    Features of equal width live in one table, one below the other: as many lookups as there are widths. The gradient
    of a table whose width is in `sparse_widths` is a sparse tensor: the looked up ids and their rows' gradients. Such a
    gradient cannot be compiled by inductor; inference can, and so can export.
    """

    # Shape suffixes, not mixed case.
    order_F: Tensor
    offset_F: Tensor
    rows_F: Tensor

    def __init__(self, features: tuple[FeaturePlan, ...], sparse_widths: frozenset[int] = frozenset()) -> None:
        super().__init__()
        self.features = features
        widths = sorted({feature.width for feature in features})
        columns = [[k for k, one in enumerate(features) if one.width == width] for width in widths]
        offsets = [0] * len(features)
        self.tables = nn.ModuleList()
        for width, members in zip(widths, columns, strict=True):
            above = 0
            for k in members:
                offsets[k] = above
                above += features[k].rows
            self.tables.append(_table(above, width, sparse=width in sparse_widths))
        self.counts = [len(members) for members in columns]
        self.runs = _runs(features, widths)
        # Known from the plan, so they stay out of the state that a run saves.
        for name, values in (
            ("order_F", [k for members in columns for k in members]),
            ("offset_F", offsets),
            ("rows_F", [feature.rows for feature in features]),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.int64), persistent=False)

    def forward(self, ids_BS: Tensor, value_BV: Tensor) -> Tensor:
        if _can_look(ids_BS):
            _refuse_outside(ids_BS, [(f"feature `{one.name}`", "id", one.rows) for one in self.features])
            row_BS = ids_BS + self.offset_F
        else:
            inside_BS = (ids_BS >= 0) & (ids_BS < self.rows_F)
            row_BS = torch.where(inside_BS, ids_BS + self.offset_F, torch.iinfo(torch.int64).max)
        of_table = row_BS.index_select(1, self.order_F).split_with_sizes(self.counts, dim=1)
        vectors = [table(rows) for table, rows in zip(self.tables, of_table, strict=True)]
        return torch.cat([vectors[group][:, start:stop].flatten(1) for group, start, stop in self.runs], dim=1)

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


def _runs(features: Sequence[FeaturePlan], widths: list[int]) -> list[tuple[int, int, int]]:
    """(table, start, stop): neighbours of equal width in the plan, as columns of that table's lookup."""
    runs: list[tuple[int, int, int]] = []
    seen = [0] * len(widths)
    for width, neighbours in groupby(features, key=lambda feature: feature.width):
        table = widths.index(width)
        start = seen[table]
        seen[table] += len(list(neighbours))
        runs.append((table, start, seen[table]))
    return runs


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
