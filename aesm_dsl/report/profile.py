"""A profile of training rows as tables for a terminal, and in words whether sharing should help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

MOST_LEAVES = 40
"""Leaves that a table shows, those with most rows; all are in the JSON form."""
ALIKE, UNLIKE = 0.8, 0.4
"""From which `alike` on a leaf learns as well from the others, and up to which hardly at all."""


def profile_tables(profile: dict[str, Any]) -> Iterator[Table]:
    """Rows and rates of the leaves; missing cells and users of the nodes, a table a level."""
    leaves = profile["leaves"]
    tasks = list(leaves[0]["labels"]) if leaves else []
    rows = ", ".join(f"{count:,} {part}" for part, count in profile["rows"].items())
    table = _table(f"training rows by leaf ({rows})", "leaf", ["rows", *tasks, *_pairs(leaves)])
    for leaf in sorted(leaves, key=lambda one: -int(one["rows"]))[:MOST_LEAVES]:
        rates = [_share(leaf["positives"][task], leaf["labels"][task]) for task in tasks]
        phis = ["" if one["phi"] is None else f"{one['phi']:.2f}" for one in leaf["correlation"]]
        table.add_row(leaf["leaf"], f"{leaf['rows']:,}", *rates, *phis)
    yield table
    for level in profile["levels"]:
        features = sorted(profile["missing"], key=lambda name: -float(profile["missing"][name]))[:8]
        heads = ["rows", *(["users"] if "shared users" in level else []), *(f"{name} missing" for name in features)]
        table = _table(f"nodes of `{level['level']}`", "node", heads)
        for node in level["nodes"]:
            users = [f"{node['users']:,}"] if "users" in node else []
            gaps = [f"{node['missing'].get(name, 0):.1%}" for name in features]
            table.add_row(node["node"], f"{node['rows']:,}", *users, *gaps)
        yield table


def advice(profile: dict[str, Any]) -> list[str]:
    """What the profile says of sharing, a sentence each."""
    said = []
    for wanted, small, text in (
        (True, True, "small, and alike: sharing should help them"),
        (False, True, "small, and unlike the others: shared experts alone may harm them; give them specific ones"),
        (False, False, "large, and unlike the others: they need experts of their own"),
    ):
        named = [
            f"`{one['leaf']}` ({one['task']}, {one['alike']:.2f})"
            for one in profile["likeness"]
            if one["alike"] is not None and one["small"] == small
            if (one["alike"] >= ALIKE if wanted else one["alike"] <= UNLIKE)
        ]
        if named:
            more = f" and {len(named) - 6} more" if len(named) > 6 else ""
            said.append(f"{', '.join(named[:6])}{more}: {text}")
    known = [one["alike"] for one in profile["likeness"] if one["alike"] is not None]
    if known:
        said.append(
            f"in {sum(one >= ALIKE for one in known)} of {len(known)} pairs of leaf and task that can be judged, what "
            "the other leaves teach of the features is worth as much as the leaf's own rows"
        )
    for level in profile["levels"]:
        for pair in level.get("shared users", []):
            sizes = [node["users"] for node in level["nodes"] if node["node"] in pair["nodes"]]
            if min(sizes) and pair["users"] >= 0.5 * min(sizes):
                share = f"{pair['users'] / min(sizes):.0%}"
                said.append(f"`{pair['nodes'][0]}` and `{pair['nodes'][1]}` share {share} of the smaller one's users")
    return said


def _pairs(leaves: list[dict[str, Any]]) -> list[str]:
    return [f"phi {' / '.join(one['tasks'])}" for one in leaves[0]["correlation"]] if leaves else []


def _table(title: str, first: str, heads: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
