"""`TablePlan`: the tables that a plan's features look their embeddings up in, one for each width.

Whether a table is sparse depends on its rows, so it is known for certain once the vocabularies are: derived from the
plan when it is asked for, not kept in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.plan import FeaturePlan, Plan


@dataclass(frozen=True, slots=True)
class TablePlan:
    width: int
    rows: int
    slots: int
    """Slots of the features whose vectors are looked up in the table: so many ids of every row of a batch."""
    sparse: bool
    """Whether a training step moves only the rows that its batch looked up."""


def embedding_tables(plan: Plan) -> tuple[TablePlan, ...]:
    """The tables of a plan, from narrow to wide. Before its vocabularies are fitted, their rows are an upper bound."""
    tables = []
    looking = [feature for feature in plan.features if feature.slots]
    for width in sorted({feature.embed for feature in looking}):
        members = [feature for feature in looking if feature.embed == width]
        rows = sum(feature.rows for feature in members if not feature.table)
        slots = sum(feature.slots for feature in members)
        least = plan.training.sparse_from
        sparse = least is not None and rows >= least * plan.training.batch_rows * slots
        tables.append(TablePlan(width, rows, slots, sparse))
    return tuple(tables)


def sparse_widths(plan: Plan) -> frozenset[int]:
    """Widths of the sparse tables."""
    return frozenset(table.width for table in embedding_tables(plan) if table.sparse)


def embedding_parameters(plan: Plan) -> int:
    """Parameters that turn the features into vectors: the tables, and what numbers and lists have besides."""
    tables = sum(table.rows * table.width for table in embedding_tables(plan))
    return tables + sum(_beside(feature) for feature in plan.features)


def _beside(feature: FeaturePlan) -> int:
    """A value's three vectors; a list's vector of the empty one, and what its attention learns."""
    if feature.values:
        return 3 * feature.width
    attention = feature.width**2 + feature.slots if feature.pool == "attention" else 0
    return attention + (feature.width if feature.pool else 0)
