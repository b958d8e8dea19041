"""`recovery`: whether a sharing matrix finds groups of nodes that are known from elsewhere, as of a simulated world."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations

import numpy as np

from aesm_dsl.training.metrics.auc import auc
from aesm_dsl.training.sharing.sharing_matrix import SharingMatrix


def recovery(matrix: SharingMatrix, groups: Mapping[str, Hashable]) -> float | None:
    """Probability that two nodes of one group share more than two nodes of different groups, ties counting half.

    groups  node -> its true group; a pair of nodes counts where both have one and both had rows
    returns the AUC of "same group" by the matrix over these pairs: 1 is full recovery, 0.5 none; None where all pairs
            are in one group, or none is
    Raises ValueError for a node that the matrix does not have.
    """
    missing = [node for node in groups if node not in matrix.nodes]
    if missing:
        raise ValueError(f"no node {missing[0]!r} among {', '.join(matrix.nodes)}")
    known = [node for node in groups if matrix.between(node, node) > 0]
    pairs = list(combinations(known, 2))
    shared = np.array([matrix.between(one, other) for one, other in pairs])
    same = np.array([groups[one] == groups[other] for one, other in pairs])
    return auc(shared, same) if pairs else None
