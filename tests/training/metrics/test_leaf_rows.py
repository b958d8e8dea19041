"""Which rows belong to which leaf, unknown nodes included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aesm_dsl.training.metrics.scores import leaf_rows
from tests.layers.plans import make_plan


def test_rows_of_unknown_nodes_are_leaves_of_their_own() -> None:
    plan = make_plan(levels=(("entry", 2), ("card", 2)))
    entry, card = plan.levels
    first, second = card.nodes
    plan = replace(
        plan, levels=(entry, replace(card, nodes=(replace(first, parents=(0,)), replace(second, parents=(0, 1)))))
    )
    node_RL = np.array([[0, 0], [1, 1], [-1, 1], [0, -1], [0, 0], [-1, -1], [0, -1]])
    assert {name: rows.tolist() for name, rows in leaf_rows(plan, node_RL).items()} == {
        "entry0 > card0": [0, 4],
        "entry0 > card1": [],
        "entry1 > card1": [1],
        "(unknown) > (unknown)": [5],
        "(unknown) > card1": [2],
        "entry0 > (unknown)": [3, 6],
    }
    assert list(leaf_rows(plan, node_RL[:2])) == ["entry0 > card0", "entry0 > card1", "entry1 > card1"]
