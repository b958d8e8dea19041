"""`LeafSorter`: finds the leaf of the hierarchy of every row, and sorts the rows by it.

Axes: B rows, L scenario levels, N nodes of a level, P beginnings of paths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.plan.plan import UNKNOWN, Plan


@dataclass(frozen=True, slots=True)
class SortedRows:
    """The order that sorts the rows of a batch by leaf; rows of one leaf keep their order."""

    order_B: Tensor
    """int64; the index in the batch of each sorted row."""
    back_B: Tensor
    """int64; the index among the sorted rows of each row of the batch."""
    leaf_B: Tensor
    """int64; the leaf of each sorted row, an index into `Plan.leaves`."""
    sizes: list[int]
    """Number of rows of each leaf; empty in an exported graph, which cannot know them."""

    # Both look up rows of an embedding, not an index: its gradient is added up in the same order with any number of
    # threads.

    def own(self, value_LBF: Tensor) -> Tensor:
        """Returns (B, F): of the values that every leaf has for every sorted row, those of the row's leaf."""
        rows = self.leaf_B.shape[0]
        row_B = self.leaf_B * rows + torch.arange(rows, device=self.leaf_B.device)
        return functional.embedding(row_B, value_LBF.flatten(0, 1))

    def weights(self, weight_LGS: Tensor) -> Tensor:
        """Returns (G, S, B, 1): the weights of each sorted row's leaf, to be multiplied with vectors (G, S, B, F)."""
        weight_BX = functional.embedding(self.leaf_B, weight_LGS.flatten(1))
        return weight_BX.T.reshape(*weight_LGS.shape[1:], self.leaf_B.shape[0], 1)


def sort_rows(leaf_B: Tensor) -> SortedRows:
    """Returns the rows sorted by these leaves, without sizes."""
    leaf_B, order_B = leaf_B.sort(stable=True)
    back_B = torch.empty_like(order_B)
    back_B[order_B] = torch.arange(order_B.shape[0], device=order_B.device)
    return SortedRows(order_B, back_B, leaf_B, [])


class LeafSorter(nn.Module):
    """Sorts the rows of a batch by leaf.

    Rows with an unknown node, at a level that allows it, have a leaf of their own, after all others.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.names = [level.name for level in plan.levels]
        self.takes_unknown = [level.unknown for level in plan.levels]
        self.known = len(plan.leaves)
        self.count = plan.leaf_count
        # One table for each level, so that the tables grow with the paths, not with the product of all levels' nodes.
        for depth, level in enumerate(plan.levels):
            begun = list(dict.fromkeys(path[:depth] for path in plan.leaves))
            longer = list(dict.fromkeys(path[: depth + 1] for path in plan.leaves))
            index_of = {path: index for index, path in enumerate(longer)}
            steps = [[index_of.get((*path, node), -1) for node in range(len(level.nodes))] for path in begun]
            # Known from the plan, so it is not saved with the weights of a run.
            self.register_buffer(f"step_{depth}", torch.tensor(steps, dtype=torch.int64), persistent=False)

    def forward(self, node_BL: Tensor) -> SortedRows:
        """Returns the sorted rows. On a GPU this waits for the device, once for each batch: the sizes are read there.

        Raises:
            ValueError: a row is on no path of the hierarchy.
        """
        rows = sort_rows(self.leaf(node_BL))
        sizes = torch.bincount(rows.leaf_B, minlength=self.count + 1).tolist()
        if sizes[self.count]:
            lost = int(rows.order_B[-sizes[self.count]])
            nodes = ", ".join(f"{name} {node}" for name, node in zip(self.names, node_BL[lost].tolist(), strict=True))
            raise ValueError(f"row {lost} is on no path of the hierarchy: node of {nodes}")
        return replace(rows, sizes=sizes[: self.count])

    def leaf(self, node_BL: Tensor) -> Tensor:
        """Returns leaf_B, in the order of the batch.

        The leaf is `known`, the number of leaves, for a row with an unknown node, and `count` for a row on no path.
        """
        if node_BL.shape[1] != len(self.names):
            raise ValueError(f"{node_BL.shape[1]} columns of nodes, expected {len(self.names)}")
        begun_B = torch.zeros(node_BL.shape[0], dtype=torch.int64, device=node_BL.device)
        lost_B = torch.zeros_like(begun_B, dtype=torch.bool)
        unknown_B = torch.zeros_like(lost_B)
        for depth, node_B in enumerate(node_BL.unbind(1)):
            step_PN = self.get_buffer(f"step_{depth}")
            if self.takes_unknown[depth]:
                unknown_B = unknown_B | (node_B == UNKNOWN)
                outside_B = (node_B < UNKNOWN) | (node_B >= step_PN.shape[1])
            else:
                outside_B = (node_B < 0) | (node_B >= step_PN.shape[1])
            begun_B = step_PN[begun_B, node_B.clamp(0, step_PN.shape[1] - 1)]
            lost_B = lost_B | outside_B | ((begun_B < 0) & ~unknown_B)
            begun_B = begun_B.clamp(min=0)
        return begun_B.masked_fill(unknown_B, self.known).masked_fill(lost_B, self.count)
