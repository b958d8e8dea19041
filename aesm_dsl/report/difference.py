"""A difference between two specs as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from aesm_dsl.plan.changes import Change
from aesm_dsl.plan.evolution import Fate

STYLES = {"kept": "green", "resized": "yellow", "new": "cyan", "lost": "red"}


def settings_table(changes: Sequence[Change]) -> Table:
    table = Table(title="Settings", title_justify="left")
    for name in ("", "was", "is"):
        table.add_column(name, overflow="fold")
    for one in changes:
        table.add_row(Text(one.path), _cell(one.was), _cell(one.now))
    return table


def fates_table(fates: Sequence[Fate]) -> Table:
    """What a warm start does with each part of the network."""
    total = sum(one.parameters for one in fates if one.state != "lost")
    carried = sum(one.carried for one in fates)
    table = Table(
        title="The network",
        title_justify="left",
        caption=f"{carried:,} of {total:,} numbers of the new network are carried over by a warm start, "
        f"{carried / max(total, 1):.1%}.\nVocabularies are taken as they were: new values begin like those outside it.",
        caption_justify="left",
    )
    for name in ("part", "", "what changed"):
        table.add_column(name, overflow="fold")
    for name in ("parameters", "carried"):
        table.add_column(name, justify="right")
    for one in fates:
        share = "" if one.state in ("new", "lost") else f"{one.carried / max(one.parameters, 1):.0%}"
        state = Text(one.state, style=STYLES[one.state])
        table.add_row(Text(one.owner), state, Text("\n".join(one.how)), f"{one.parameters:,}", share)
    return table


def _cell(value: str | None) -> Text:
    return Text("-" if value is None else value or "a block")
