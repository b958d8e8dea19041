"""The profile of training rows as tables for a terminal, and sentences on whether sharing should help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

MOST_LEAVES = 40
"""Leaves that a table shows: those with the most rows. The JSON form has all."""
ALIKE, UNLIKE = 0.8, 0.4
"""From the first value of `alike` on, a leaf learns well from the others; up to the second, hardly at all."""


def profile_tables(profile: dict[str, Any]) -> Iterator[Table]:
    """Yields a table of the leaves (rows, rates) and one for each level (rows, users and missing values of its nodes).

    Args:
        profile: as `aesm check --profile --format json` prints it.
    """
    leaves = profile["leaves"]
    tasks = list(leaves[0]["labels"]) if leaves else []
    rows = ", ".join(f"{count:,} {part}" for part, count in profile["rows"].items())
    table = _table(f"training rows by leaf ({rows})", "leaf", ["rows", *tasks, *_pairs(leaves)])
    for leaf in sorted(leaves, key=lambda leaf: -int(leaf["rows"]))[:MOST_LEAVES]:
        rates = [_share(leaf["positives"][task], leaf["labels"][task]) for task in tasks]
        phis = ["" if pair["phi"] is None else f"{pair['phi']:.2f}" for pair in leaf["correlation"]]
        table.add_row(leaf["leaf"], f"{leaf['rows']:,}", *rates, *phis)
    yield table
    for level in profile["levels"]:
        features = sorted(profile["missing"], key=lambda name: -float(profile["missing"][name]))[:8]
        heads = ["rows", *(["users"] if "shared users" in level else []), *(f"{name} missing" for name in features)]
        table = _table(f"nodes of `{level['level']}`", "node", heads)
        nodes = level["nodes"]
        if len(nodes) > MOST_LEAVES:
            table.caption = f"the {MOST_LEAVES} of {len(nodes):,} nodes with the most rows"
            table.caption_justify = "left"
            nodes = sorted(nodes, key=lambda node: -int(node["rows"]))[:MOST_LEAVES]
        for node in nodes:
            users = [f"{node['users']:,}"] if "users" in node else []
            missing = [f"{node['missing'].get(name, 0):.1%}" for name in features]
            table.add_row(node["node"], f"{node['rows']:,}", *users, *missing)
        yield table


def advice(profile: dict[str, Any]) -> list[str]:
    """Returns sentences on whether sharing should help which leaves."""
    sentences = []
    for alike, small, text in (
        (True, True, "small, and similar to the others: sharing should help them"),
        (False, True, "small, and unlike the others: shared experts alone may harm them; give them specific ones"),
        (False, False, "large, and unlike the others: they need experts of their own"),
    ):
        named = [
            f"`{entry['leaf']}` ({entry['task']}, {entry['alike']:.2f})"
            for entry in profile["likeness"]
            if entry["alike"] is not None and entry["small"] == small
            if (entry["alike"] >= ALIKE if alike else entry["alike"] <= UNLIKE)
        ]
        if named:
            more = f" and {len(named) - 6} more" if len(named) > 6 else ""
            sentences.append(f"{', '.join(named[:6])}{more}: {text}")
    known = [entry["alike"] for entry in profile["likeness"] if entry["alike"] is not None]
    if known:
        sentences.append(
            f"in {sum(value >= ALIKE for value in known)} of {len(known)} pairs of leaf and task with enough rows, "
            "what the other leaves teach about the features is worth as much as the leaf's own rows"
        )
    for level in profile["levels"]:
        for pair in level.get("shared users", []):
            sizes = [node["users"] for node in level["nodes"] if node["node"] in pair["nodes"]]
            if min(sizes) and pair["users"] >= 0.5 * min(sizes):
                share = f"{pair['users'] / min(sizes):.0%}"
                names = f"`{pair['nodes'][0]}` and `{pair['nodes'][1]}`"
                sentences.append(f"{names} share {share} of the smaller one's users")
    return sentences


def _pairs(leaves: list[dict[str, Any]]) -> list[str]:
    return [f"phi {' / '.join(pair['tasks'])}" for pair in leaves[0]["correlation"]] if leaves else []


def _table(title: str, first: str, heads: list[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
