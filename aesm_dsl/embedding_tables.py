"""`TablePlan`: the tables that a plan's features look their embeddings up in, one for each width.

Whether a table is sparse depends on its rows, so it is known for certain once the vocabularies are: derived from the
plan when it is asked for, not kept in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.plan import Plan


@dataclass(frozen=True, slots=True)
class TablePlan:
    width: int
    rows: int
    features: int
    """Features whose rows lie in the table, one below the other: so many ids of every row of a batch are looked up."""
    sparse: bool
    """Whether a training step moves only the rows that its batch looked up."""


def embedding_tables(plan: Plan) -> tuple[TablePlan, ...]:
    """The tables of a plan, from narrow to wide. Before its vocabularies are fitted, their rows are an upper bound."""
    tables = []
    for width in sorted({feature.width for feature in plan.features}):
        rows = [feature.rows for feature in plan.features if feature.width == width]
        looked_up = plan.training.batch_rows * len(rows)
        least = plan.training.sparse_from
        tables.append(TablePlan(width, sum(rows), len(rows), least is not None and sum(rows) >= least * looked_up))
    return tuple(tables)


def sparse_widths(plan: Plan) -> frozenset[int]:
    """Widths of the sparse tables."""
    return frozenset(table.width for table in embedding_tables(plan) if table.sparse)
