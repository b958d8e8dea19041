"""`aesm diff`: the difference between two specs as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from aesm_dsl.plan.changes import Change
from aesm_dsl.plan.evolution import Fate

STYLES = {"kept": "green", "resized": "yellow", "new": "cyan", "lost": "red"}


def settings_table(changes: Sequence[Change]) -> Table:
    """Returns a line for each setting that differs, with its old and new value."""
    table = Table(title="Settings", title_justify="left")
    for name in ("", "was", "is"):
        table.add_column(name, overflow="fold")
    for change in changes:
        table.add_row(Text(change.path), _cell(change.was), _cell(change.now))
    return table


def fates_table(fates: Sequence[Fate]) -> Table:
    """Returns a line for each part of the network, with what a warm start does with it."""
    total = sum(fate.parameters for fate in fates if fate.state != "lost")
    carried = sum(fate.carried for fate in fates)
    before, lost = sum(fate.before for fate in fates), sum(fate.left_behind for fate in fates)
    table = Table(
        title="The network",
        title_justify="left",
        caption=f"A warm start carries over {carried:,} of {total:,} parameters of the new network, "
        f"{carried / max(total, 1):.1%}.\n"
        f"Of the {before:,} parameters of the old network {lost:,} are left behind, {lost / max(before, 1):.1%}.\n"
        "Vocabularies count as in the old network; new values start like out-of-vocabulary values.",
        caption_justify="left",
    )
    for name in ("part", "", "what changed"):
        table.add_column(name, overflow="fold")
    for name in ("parameters", "carried", "left behind"):
        table.add_column(name, justify="right")
    for fate in fates:
        share = "" if fate.state in ("new", "lost") else f"{fate.carried / max(fate.parameters, 1):.0%}"
        left = f"{fate.left_behind / fate.before:.0%}" if fate.left_behind else ""
        state = Text(fate.state, style=STYLES[fate.state])
        table.add_row(Text(fate.owner), state, Text("\n".join(fate.how)), f"{fate.parameters:,}", share, left)
    return table


def _cell(value: str | None) -> Text:
    """A value; "a block" for a block without a title, and "-" for a setting or block that does not exist."""
    return Text("-" if value is None else value or "a block")
