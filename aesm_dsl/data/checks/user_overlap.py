"""`UserOverlap`: estimates how many users each node of a level has, and how many two nodes share.

It keeps the K smallest user hashes of every node. With h the K-th of them as a share of all hashes, the node has about
(K - 1) / h users (Bar-Yossef, Jayram, Kumar, Sivakumar, Trevisan: "Counting distinct elements in a data stream", RANDOM
2002). Among the K smallest hashes of two nodes together, the share that is in both estimates the users of both nodes
over the users of either. Up to K users the counts are exact; beyond, the standard error is about 1 / sqrt(K), 1.6 %.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.reading.hashing import Hashes

KEPT = 4096
"""K."""


class UserOverlap:
    """The users of the nodes of one level."""

    def __init__(self, nodes: int) -> None:
        self._smallest = [np.zeros(0, dtype=np.uint64) for _ in range(nodes)]

    def update(self, node: int, hashes: Hashes) -> None:
        """Adds the users of some rows of a node."""
        merged = np.union1d(self._smallest[node], hashes)
        self._smallest[node] = merged[:KEPT]

    def count(self, node: int) -> int:
        """Returns about how many users a node has."""
        return _count(self._smallest[node])

    def shared(self, node: int, other: int) -> int:
        """Returns about how many users are users of both nodes."""
        ours, theirs = self._smallest[node], self._smallest[other]
        together = np.union1d(ours, theirs)[:KEPT]
        if not len(together):
            return 0
        in_both = np.isin(together, ours) & np.isin(together, theirs)
        return round(_count(together) * float(in_both.mean()))


def _count(smallest: Hashes) -> int:
    if len(smallest) < KEPT:
        return len(smallest)
    return round((KEPT - 1) / (int(smallest[-1]) / 2**64))
