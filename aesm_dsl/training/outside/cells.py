"""Encoded rows -> `OutsideRows`: what models from outside read of them, feature by feature.

Features that are known in training only are left out. Axes: R rows, K slots, G numbers, L levels, T tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aesm_dsl.data.encoding.vectors import VectorTable
from aesm_dsl.data.reading.timestamps import PARTS
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import MISSING, OTHER, UNKNOWN, Plan
from aesm_dsl.training.metrics.scores import Floats, PredictedRows, Whole

Singles = npt.NDArray[np.float32]

LEAF = "leaf"
"""The name of the feature that says which leaf a row is of."""

NUMBERS = ("number", "value")
"""Kinds of features that read numbers."""


@dataclass(frozen=True, slots=True)
class IdCells:
    """The ids of a feature, of a part of a date, or the node of a level."""

    name: str
    id_RK: Whole
    """0 if missing, PAD in the slots after the last value."""
    ordered: bool = False
    """Whether larger ids mean larger values, as those of buckets do."""


@dataclass(frozen=True, slots=True)
class NumberCells:
    """The numbers of a feature: one, or those of its vector."""

    name: str
    value_RG: Singles
    """NaN if missing."""


Cells = IdCells | NumberCells


@dataclass(frozen=True, slots=True)
class OutsideRows:
    """The rows of one part, as models from outside read them."""

    cells: tuple[Cells, ...]
    label_RT: Floats
    """0, 1, or NaN if the row does not count for the task."""
    weight_R: Floats
    node_RL: Whole
    user_R: Whole | None
    query_R: Whole | None

    def predicted(self, log_odds_RT: Floats) -> PredictedRows:
        """Returns these rows with what a model predicts for them."""
        yes_RT, no_RT = -np.logaddexp(0.0, -log_odds_RT), -np.logaddexp(0.0, log_odds_RT)
        return PredictedRows(yes_RT, no_RT, self.label_RT, self.node_RL, self.weight_R, self.user_R, self.query_R)


def outside_rows(plan: Plan, table: EncodedTable, vectors: Mapping[str, VectorTable]) -> OutsideRows:
    """Returns the rows of an encoded table, all of them in memory.

    Args:
        plan: of the table.
        table: encoded rows.
        vectors: feature -> its vectors, for the features that have a file of them.
    """
    columns = table.whole()
    node_RL = columns.node_RL.numpy().astype(np.int64)
    ids_RS, value_RV = columns.ids_RS.numpy(), columns.value_RV.numpy()
    cells: list[Cells] = []
    s = v = 0
    for feature in plan.features:
        own_RK = ids_RS[:, s : s + feature.slots].astype(np.int64)
        s, v = s + feature.slots, v + feature.values
        if feature.values:
            cells.append(NumberCells(feature.name, value_RV[:, v - 1 : v]))
        elif feature.kind == "vectors":
            known = vectors[feature.table or feature.name]
            cells.append(NumberCells(feature.name, _mean_vectors(own_RK, known.vector_KG)))
        elif feature.parts:
            cells += _date_parts(feature, own_RK)
        else:
            cells.append(IdCells(feature.name, own_RK, feature.kind == "number"))
    return OutsideRows(
        (*cells, *_node_cells(plan, node_RL)),
        columns.label_RT.numpy().astype(np.float64),
        columns.weight_R.numpy().astype(np.float64),
        node_RL,
        *(part.numpy()[:, 0] if part.shape[1] else None for part in (columns.user_RU, columns.query_RQ)),
    )


def with_plain_numbers(plan: Plan) -> Plan:
    """Returns the plan with every number as it is read, neither bucketed nor scaled, where nothing else needs its ids.

    Tables of statistics have only what the spec's own encoders need: with them the plan stays as it is.
    """
    if plan.data is not None and plan.data.statistics is not None:
        return plan
    needed = {name for feature in plan.all_features for name in (feature.table, *feature.crossed)}

    def plain(feature: FeaturePlan) -> FeaturePlan:
        if feature.kind not in NUMBERS or feature.table or feature.take or feature.name in needed:
            return feature
        return replace(feature, kind="value", rows=0, slots=0, values=1, scale="none", encoding=None)

    return replace(plan, features=tuple(map(plain, plan.features)))


def _mean_vectors(id_RK: Whole, vector_KG: Singles) -> Singles:
    """The mean of the vectors of a row's known keys; NaN without any."""
    sum_RG = np.zeros((len(id_RK), vector_KG.shape[1]), np.float32)
    count_R = np.zeros(len(id_RK), np.float32)
    for id_R in id_RK.T:
        known_R = id_R > OTHER
        sum_RG[known_R] += vector_KG[id_R[known_R] - OTHER - 1]
        count_R += known_R
    with np.errstate(invalid="ignore"):
        return sum_RG / count_R[:, None]


def _date_parts(feature: FeaturePlan, id_RK: Whole) -> Iterator[IdCells]:
    """The ids of every part of a date, each from 0 on: in the table those of all parts follow each other."""
    offset = 0
    for slot, part in enumerate(feature.parts):
        yield IdCells(f"{part} of {feature.name}", id_RK[:, slot : slot + 1] - offset, ordered=True)
        offset += PARTS[part] + 1


def _node_cells(plan: Plan, node_RL: Whole) -> Iterator[IdCells]:
    """The node of every level, and the leaf if there are several levels."""
    for level, node_R in zip(plan.levels, node_RL.T, strict=True):
        yield IdCells(level.name, node_R[:, None] - UNKNOWN + MISSING)
    if len(plan.levels) > 1:
        sizes = [len(level.nodes) - UNKNOWN for level in plan.levels]
        yield IdCells(LEAF, np.ravel_multi_index(tuple(node_RL.T - UNKNOWN), sizes)[:, None])
