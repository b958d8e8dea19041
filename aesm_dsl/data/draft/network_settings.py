"""The settings of the network and the training that a drafted spec has, chosen by the size of the table.

They are those that did best on the tables of `docs/quality.md`, where the language's defaults do worse.
"""

from __future__ import annotations

from typing import Any

from aesm_dsl.data.draft.table_draft import TableDraft
from aesm_dsl.spec.levels import ExpertsBlock
from aesm_dsl.spec.training import Adam, Ema, Train

SMALL = 20_000
"""Rows of a table for which a batch has 256 rows."""
LARGE = 1_000_000
"""Rows from which a batch has the language's default of rows."""


def network_settings(draft: TableDraft) -> dict[str, Any]:
    """Returns the settings of the model: `experts` and `train`.

    With levels, one wide layer a level and averaged weights; without, narrow experts, one layer too, and no average.
    """
    batch: dict[str, Any] = {} if draft.rows >= LARGE else {"batch": 256 if draft.rows < SMALL else 512}
    if not draft.levels:
        return {
            "experts": ExpertsBlock(hidden=(32, 16), repeat=1),
            "train": Train(optimizer=Adam(call="adam", rate=2e-3), **batch),
        }
    return {
        "experts": ExpertsBlock(hidden=(128, 32), repeat=1),
        "train": Train(optimizer=Adam(call="adam", rate=2e-3), average=Ema(call="ema", decay=0.99), **batch),
    }


def tower_settings(draft: TableDraft) -> dict[str, Any]:
    """Returns the settings of the towers in `tasks`: small ones, a tower per leaf if there are leaves."""
    return {"tower": (32,), "tower_per": "leaf"} if draft.levels else {"tower": (16,)}
