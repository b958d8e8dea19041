"""`Sharing`: what one layer's usage says about its nodes and experts (method.md, "What is learnt").

Axes: N nodes, E experts. Throughout, w[n, e] is the mean mixture weight of expert e over node n's rows
(`weight_NE`), q[n] = rows[n] / all rows is the node's share of traffic, and logarithms are natural (nats).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aesm_dsl.training.sharing.layer_usage import LayerUsage

DEAD = 0.001
"""An expert is dead if its mean mixture weight is below this at every node: under 0.1 % of any mixture."""

USES = 0.25
"""A node uses an expert if its weight is at least this share of the heaviest user's (and at least DEAD).

It is relative to the heaviest user, because the question is whose expert it is, not how much it matters.
"""

CARRY = 0.95
"""The experts in use are the fewest that carry this share of all mixture weight."""

OCCUPIES = 0.9
"""A node occupies a shared expert if it makes up this share of the selections as shared, all nodes counting alike."""

SELECTS = 0.05
"""A node selects an expert as shared if this share of its rows does."""

ROLES = ("specific", "group", "shared", "dead")


@dataclass(frozen=True, slots=True)
class Role:
    """Whose expert it is."""

    kind: str
    """"specific" to one node, of a "group" of nodes, "shared" by all nodes that have rows, or "dead". On a level where
    only one node has rows, an expert in use is "specific"."""
    nodes: tuple[str, ...]
    """The nodes that use it, in the level's order; empty if it is dead."""


@dataclass(frozen=True, slots=True, eq=False)
class SharingMatrix:
    """How much two nodes share, in [0, 1]: 1 is the same mixture, 0 no expert in common; symmetric.

    J[n, m] = sum over e of min(w[n, e], w[m, e]) / sum over e of max(w[n, e], w[m, e])   (weighted Jaccard)

    A node without rows shares nothing that is known: its row, column and diagonal are 0.
    """

    nodes: tuple[str, ...]
    matrix: NDArray[np.float64]
    """(N, N), read-only."""

    def between(self, first: str, second: str) -> float:
        """Returns the entry of two nodes. Raises ValueError if there is no such node."""
        return float(self.matrix[self.nodes.index(first), self.nodes.index(second)])

    def frame(self) -> pl.DataFrame:
        """Returns the matrix as a table: a column `node` that names the rows, then one column per node."""
        head = "node"
        while head in self.nodes:
            head += "_"
        columns = {node: self.matrix[:, index] for index, node in enumerate(self.nodes)}
        return pl.DataFrame({head: list(self.nodes), **columns})


@dataclass(frozen=True, slots=True)
class Sharing:
    """What one layer learnt to share."""

    level: str
    layer: int
    """Index in the level's stack, from 0."""
    matrix: SharingMatrix
    roles: tuple[Role, ...]
    """The role of every expert."""
    share: tuple[float, ...]
    """p[e] = sum over n of q[n] w[n, e], scaled to sum to 1: the expert's part in all mixtures together."""
    entropy: float
    """H = - sum over e of p[e] log p[e], in nats: how widely the experts are used."""
    evenness: float
    """H / log E, in [0, 1]: 1 when all experts carry the same (or E = 1), 0 when one carries everything."""
    mutual_information: float
    """I(expert; node) = sum over n of q[n] sum over e of p[e | n] log(p[e | n] / p[e]), in nats, with
    p[e | n] = w[n, e] scaled to sum to 1. 0 when every node has the same mixture; at most log E, and at most
    the entropy of q."""
    in_use: int
    """The smallest number of experts that carry 95 % of all mixture weight."""
    occupied: dict[int, str]
    """Expert that is selected as shared, but nearly always by one node alone -> that node."""
    dead_units: tuple[float | None, ...]
    """For every expert the share of its output units that give every row the same value; None if too few rows ran it,
    and empty if it was not measured."""

    def experts(self) -> pl.DataFrame:
        """Returns one row per expert: expert, role, nodes, share, occupied_by, dead_units."""
        count = len(self.roles)
        return pl.DataFrame(
            {
                "expert": range(count),
                "role": [role.kind for role in self.roles],
                "nodes": [list(role.nodes) for role in self.roles],
                "share": list(self.share),
                "occupied_by": [self.occupied.get(expert) for expert in range(count)],
                "dead_units": list(self.dead_units or (None,) * count),
            },
            schema={
                "expert": pl.Int64,
                "role": pl.String,
                "nodes": pl.List(pl.String),
                "share": pl.Float64,
                "occupied_by": pl.String,
                "dead_units": pl.Float64,
            },
        )


def sharing(usage: LayerUsage) -> Sharing:
    """Returns sharing matrix, roles, entropy and mutual information of a layer; without rows all are 0, or dead."""
    weight_NE = np.asarray(usage.weight_NE, dtype=np.float64).reshape(len(usage.nodes), -1)
    rows_N = np.asarray(usage.rows_N, dtype=np.float64)
    share_E = _normalised(rows_N @ weight_NE)
    entropy = _entropy(share_E)
    experts = len(share_E)
    evenness = entropy / np.log(experts) if experts > 1 else float(share_E.sum())
    return Sharing(
        usage.level,
        usage.layer,
        SharingMatrix(usage.nodes, _jaccard(weight_NE)),
        tuple(_role(weight_NE[:, expert], rows_N, usage.nodes) for expert in range(experts)),
        tuple(share_E.tolist()),
        entropy,
        float(min(evenness, 1.0)),
        _mutual_information(weight_NE, rows_N),
        _in_use(share_E),
        _occupied(usage, rows_N),
        usage.dead_units_E,
    )


def mean_matrix(stack: Sequence[LayerUsage]) -> SharingMatrix:
    """Returns the mean of the sharing matrices of a level's layers."""
    matrices = [sharing(layer).matrix.matrix for layer in stack]
    mean: NDArray[np.float64] = np.mean(matrices, axis=0)
    mean.flags.writeable = False
    return SharingMatrix(stack[0].nodes, mean)


def _jaccard(weight_NE: NDArray[np.float64]) -> NDArray[np.float64]:
    least = np.minimum(weight_NE[:, None], weight_NE[None]).sum(axis=2)
    most = np.maximum(weight_NE[:, None], weight_NE[None]).sum(axis=2)
    matrix: NDArray[np.float64] = np.divide(least, most, out=np.zeros_like(least), where=most > 0)
    matrix.flags.writeable = False
    return matrix


def _role(weight_N: NDArray[np.float64], rows_N: NDArray[np.float64], nodes: tuple[str, ...]) -> Role:
    visited = rows_N > 0
    most = weight_N[visited].max(initial=0.0)
    if most < DEAD:
        return Role("dead", ())
    uses = visited & (weight_N >= max(DEAD, USES * most))
    users = tuple(node for node, used in zip(nodes, uses, strict=True) if used)
    if len(users) == 1:
        return Role("specific", users)
    return Role("shared" if len(users) == visited.sum() else "group", users)


def _in_use(share_E: NDArray[np.float64]) -> int:
    carried_E = np.cumsum(np.sort(share_E)[::-1])
    # Rounding must not ask for one expert more.
    return int((carried_E < CARRY - 1e-9).sum()) + 1 if share_E.any() else 0


def _occupied(usage: LayerUsage, rows_N: NDArray[np.float64]) -> dict[int, str]:
    seen_N = rows_N > 0
    if seen_N.sum() < 2:
        return {}
    shared_NE = np.asarray(usage.shared_NE, dtype=np.float64).reshape(len(usage.nodes), -1) * seen_N[:, None]
    most_E, total_E = shared_NE.max(axis=0), shared_NE.sum(axis=0)
    taken_E = (most_E >= SELECTS) & (most_E >= OCCUPIES * total_E)
    return {int(expert): usage.nodes[shared_NE[:, expert].argmax()] for expert in taken_E.nonzero()[0]}


def _entropy(share: NDArray[np.float64]) -> float:
    positive = share[share > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))


def _mutual_information(weight_NE: NDArray[np.float64], rows_N: NDArray[np.float64]) -> float:
    """H(p) - sum over n of q[n] H(p[. | n]), which is the same if p is the mean of p[. | n] weighted by traffic."""
    given_NE = np.array([_normalised(weight_E) for weight_E in weight_NE])
    traffic_N = _normalised(rows_N * (given_NE.sum(axis=1) > 0))
    inner = sum(q * _entropy(given_E) for q, given_E in zip(traffic_N, given_NE, strict=True))
    return float(max(0.0, _entropy(traffic_N @ given_NE) - inner))


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values)
