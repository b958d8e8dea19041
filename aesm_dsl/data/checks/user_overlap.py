"""`UserOverlap`: how many users each node of a level has, and how many two nodes share, from the smallest hashes of each.

A node keeps its K smallest hashes. With h the K-th of them as a share of all hashes, it has about (K - 1) / h users
(Bar-Yossef et al. 2002); of the K smallest hashes of two nodes together, the share that is in both estimates users of
both over users of either. Exact below K users; beyond, the standard error is about 1 / sqrt(K), 1.6 %.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.reading.hashing import Hashes

KEPT = 4096
"""K."""


class UserOverlap:
    def __init__(self, nodes: int) -> None:
        self._smallest = [np.zeros(0, dtype=np.uint64) for _ in range(nodes)]

    def update(self, node: int, hashes: Hashes) -> None:
        merged = np.union1d(self._smallest[node], hashes)
        self._smallest[node] = merged[:KEPT]

    def count(self, node: int) -> int:
        return _count(self._smallest[node])

    def shared(self, one: int, other: int) -> int:
        """Users of both nodes."""
        ours, theirs = self._smallest[one], self._smallest[other]
        both = np.union1d(ours, theirs)[:KEPT]
        if not len(both):
            return 0
        inside = np.isin(both, ours) & np.isin(both, theirs)
        return round(_count(both) * float(inside.mean()))


def _count(smallest: Hashes) -> int:
    if len(smallest) < KEPT:
        return len(smallest)
    return round((KEPT - 1) / (int(smallest[-1]) / 2**64))
