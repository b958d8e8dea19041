"""Orders in which a table of nodes and experts is easy to read. Axes: N nodes, E experts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aesm_dsl.training.sharing.sharing_matrix import ROLES, Sharing


def node_order(matrix_NN: NDArray[np.float64]) -> list[int]:
    """Returns the nodes in an order that puts those next to each other that share much.

    It begins with the pair that shares most. Then, again and again, the node that shares most with either end of the
    row is put there. Nodes that share nothing with any other come last, in their own order.
    """
    shared_NN = matrix_NN.copy()
    np.fill_diagonal(shared_NN, 0.0)
    isolated = [node for node in range(len(shared_NN)) if not shared_NN[node].any()]
    waiting = [node for node in range(len(shared_NN)) if node not in isolated]
    if not waiting:
        return isolated
    first, second = (int(index) for index in np.unravel_index(int(shared_NN.argmax()), shared_NN.shape))
    row = [first, second]
    waiting = [node for node in waiting if node not in row]
    while waiting:
        ends = [(shared_NN[end, node], side, node) for side, end in enumerate((row[0], row[-1])) for node in waiting]
        _, side, node = max(ends, key=lambda end: (end[0], -end[2]))
        row.insert(0 if side == 0 else len(row), node)
        waiting.remove(node)
    return (row if row[0] < row[-1] else row[::-1]) + isolated


def expert_order(sharing: Sharing, weight_NE: NDArray[np.float64], nodes: list[int]) -> list[int]:
    """Returns the experts shared by all first, then those of groups and single nodes, and dead ones last.

    Args:
        sharing: what is known about the layer's experts.
        weight_NE: mean mixture weights.
        nodes: the order of the nodes, which experts of groups and single nodes follow.
    """
    rank_N = np.empty(len(nodes))
    rank_N[nodes] = np.arange(len(nodes))
    total_E = weight_NE.sum(axis=0)
    middle_E = np.divide(rank_N @ weight_NE, total_E, out=np.zeros_like(total_E), where=total_E > 0)
    role_rank = {"shared": 0, "group": 1, "specific": 1, "dead": 2}
    kinds = [role.kind for role in sharing.roles]
    assert set(kinds) <= set(ROLES)
    return sorted(range(len(kinds)), key=lambda expert: (role_rank[kinds[expert]], middle_E[expert], expert))
