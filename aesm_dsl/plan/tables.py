"""`TablePlan`: the tables that a plan's features look their embeddings up in, one for each width, and one for each file
of vectors.

Whether a table is sparse depends on its rows, so it is known for certain once the vocabularies are: derived from the
plan when it is asked for, not kept in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class TablePlan:
    width: int
    rows: int
    slots: int
    """Slots of the features whose vectors are looked up in the table: so many ids of every row of a batch."""
    sparse: bool
    """Whether a training step moves only the rows that its batch looked up."""
    vectors: str = ""
    """The feature whose file's vectors it holds."""
    frozen: bool = False
    """Whether no training step moves any of it."""


Home = int | str
"""The table that a feature looks in: the width of a table of embeddings, or the name of a feature of vectors."""


def home(feature: FeaturePlan) -> Home:
    """Where a feature that has slots looks its vectors up."""
    return feature.table or feature.name if feature.kind == "vectors" else feature.embed


def embedding_tables(plan: Plan) -> tuple[TablePlan, ...]:
    """The tables of a plan, embeddings from narrow to wide, then vectors. Before its vocabularies are fitted, their
    rows are an upper bound; before files of vectors are read, their tables have one row."""
    tables = []
    looking = [feature for feature in plan.features if feature.slots]
    for place in homes(looking):
        members = [feature for feature in looking if home(feature) == place]
        owners = [feature for feature in members if not feature.table]
        slots = sum(feature.slots for feature in members)
        if isinstance(place, str):
            (owner,) = owners
            rows, width, frozen = max(owner.rows - 2, 1), owner.given or owner.embed, not owner.trained
        else:
            rows, width, frozen = sum(feature.rows for feature in owners), place, False
        least = plan.training.sparse_from
        sparse = not frozen and least is not None and rows >= least * plan.training.batch_rows * slots
        tables.append(TablePlan(width, rows, slots, sparse, place if isinstance(place, str) else "", frozen))
    return tuple(tables)


def homes(looking: Iterable[FeaturePlan]) -> list[Home]:
    """The tables of features that have slots, in order."""
    found = {home(feature) for feature in looking}
    return [
        *sorted(one for one in found if isinstance(one, int)),
        *sorted(one for one in found if isinstance(one, str)),
    ]


def sparse_homes(plan: Plan) -> frozenset[Home]:
    """The tables whose gradients are sparse."""
    return frozenset(table.vectors or table.width for table in embedding_tables(plan) if table.sparse)


def embedding_parameters(plan: Plan) -> int:
    """Parameters of the tables; frozen vectors are none."""
    return sum(table.rows * table.width for table in embedding_tables(plan) if not table.frozen)
