"""`recovery`: how well a sharing matrix recovers known groups of nodes, such as those of a simulated world."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations

import numpy as np

from aesm_dsl.training.metrics.auc import auc
from aesm_dsl.training.sharing.sharing_matrix import SharingMatrix


def recovery(matrix: SharingMatrix, groups: Mapping[str, Hashable]) -> float | None:
    """Returns the probability that two nodes of a group share more than two of different groups, ties counting half.

    That is the AUC of "same group" by the matrix, over all pairs of nodes: 1 is full recovery, 0.5 none.

    Args:
        matrix: how much nodes share.
        groups: node -> its true group. A pair of nodes counts if both have a group, and both had rows.

    Returns:
        None if all pairs are in one group, or none is.

    Raises:
        ValueError: a node is not in the matrix.
    """
    missing = [node for node in groups if node not in matrix.nodes]
    if missing:
        raise ValueError(f"no node {missing[0]!r} among {', '.join(matrix.nodes)}")
    known = [node for node in groups if matrix.between(node, node) > 0]
    pairs = list(combinations(known, 2))
    shared = np.array([matrix.between(first, second) for first, second in pairs])
    same = np.array([groups[first] == groups[second] for first, second in pairs])
    return auc(shared, same) if pairs else None
