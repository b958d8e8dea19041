"""Orders in which a table of nodes and experts is easy to read. Axes: N nodes, E experts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.training.sharing.sharing_matrix import ROLES, Sharing


def clustered(matrix_NN: NDArray[np.float64]) -> list[int]:
    """Nodes in an order that puts those beside each other that share much.

    Begins with the pair that shares most; then always the node that shares most with either end of the row is put
    there. Nodes that share nothing with anybody come last, in their own order.
    """
    shared_NN = matrix_NN.copy()
    np.fill_diagonal(shared_NN, 0.0)
    apart = [node for node in range(len(shared_NN)) if not shared_NN[node].any()]
    left = [node for node in range(len(shared_NN)) if node not in apart]
    if not left:
        return apart
    first, second = (int(at) for at in np.unravel_index(int(shared_NN.argmax()), shared_NN.shape))
    row = [first, second]
    left = [node for node in left if node not in row]
    while left:
        ends = [(shared_NN[end, node], side, node) for side, end in enumerate((row[0], row[-1])) for node in left]
        _, side, node = max(ends, key=lambda one: (one[0], -one[2]))
        row.insert(0 if side == 0 else len(row), node)
        left.remove(node)
    return (row if row[0] < row[-1] else row[::-1]) + apart


def by_role(found: Sharing, weight_NE: NDArray[np.float64], nodes: list[int]) -> list[int]:
    """Experts shared by all first, then those of groups and single nodes in the order of `nodes`, dead ones last."""
    place_N = np.empty(len(nodes))
    place_N[nodes] = np.arange(len(nodes))
    total_E = weight_NE.sum(axis=0)
    middle_E = np.divide(place_N @ weight_NE, total_E, out=np.zeros_like(total_E), where=total_E > 0)
    rank = {"shared": 0, "group": 1, "specific": 1, "dead": 2}
    kinds = [role.kind for role in found.roles]
    assert set(kinds) <= set(ROLES)
    return sorted(range(len(kinds)), key=lambda expert: (rank[kinds[expert]], middle_E[expert], expert))
