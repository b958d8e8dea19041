"""`TablePlan`: the embedding tables of a plan, one for each width, and one for each file of vectors.

Whether a table gets sparse updates depends on its rows, which are final only after the vocabularies are fitted.
Therefore tables are derived from the plan on demand and are not stored in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One embedding table, which several features may share."""

    width: int
    rows: int
    slots: int
    """Ids that every row of a batch looks up in the table: the slots of its features together."""
    sparse: bool
    """Whether a training step updates only the rows that its batch looked up."""
    vectors: str = ""
    """The feature whose file's vectors the table holds; empty for learnt embeddings."""
    frozen: bool = False
    """Whether no training step changes the table."""


TableKey = int | str
"""Identifies a table: the width of a table of embeddings, or the name of a feature of vectors."""


def table_key(feature: FeaturePlan) -> TableKey:
    """The table in which a feature that has slots looks its vectors up."""
    return feature.table or feature.name if feature.kind == "vectors" else feature.embed


def embedding_tables(plan: Plan) -> tuple[TablePlan, ...]:
    """Returns the tables of a plan: embeddings from narrow to wide, then vectors.

    Before the vocabularies are fitted, the rows are an upper bound; before files of vectors are read, their tables have
    one row.
    """
    tables = []
    features = [feature for feature in plan.features if feature.slots]
    for key in table_keys(features):
        members = [feature for feature in features if table_key(feature) == key]
        owners = [feature for feature in members if not feature.table]
        slots = sum(feature.slots for feature in members)
        if isinstance(key, str):
            (owner,) = owners
            rows, width, frozen = max(owner.rows - 2, 1), owner.given or owner.embed, not owner.trained
        else:
            rows, width, frozen = sum(feature.rows for feature in owners), key, False
        least = plan.training.sparse_from
        sparse = not frozen and least is not None and rows >= least * plan.training.batch_rows * slots
        tables.append(TablePlan(width, rows, slots, sparse, key if isinstance(key, str) else "", frozen))
    return tuple(tables)


def table_keys(features: Iterable[FeaturePlan]) -> list[TableKey]:
    """The tables of features that have slots, in the order of `embedding_tables`."""
    keys = {table_key(feature) for feature in features}
    return [
        *sorted(key for key in keys if isinstance(key, int)),
        *sorted(key for key in keys if isinstance(key, str)),
    ]


def sparse_table_keys(plan: Plan) -> frozenset[TableKey]:
    """The tables whose gradients are sparse."""
    return frozenset(table.vectors or table.width for table in embedding_tables(plan) if table.sparse)


def embedding_parameters(plan: Plan) -> int:
    """Counts the parameters of the tables; frozen vectors are not counted."""
    return sum(table.rows * table.width for table in embedding_tables(plan) if not table.frozen)


def colliding_share(values: int, buckets: int) -> float:
    """Returns the expected share of hashed values that have a bucket in common with another one.

    Args:
        values: number of different values.
        buckets: number of buckets, each equally likely for each value.
    """
    return 1 - (1 - 1 / buckets) ** max(values - 1, 0)
