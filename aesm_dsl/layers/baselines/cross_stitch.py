"""`CrossStitch`: cross-stitch networks (Misra, Shrivastava, Gupta, Hebert, CVPR 2016).

Axes: B rows sorted by leaf, D input width, T tasks, U tasks that are added up, H output width of a layer.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import MLPs, Towers
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan

OWN = 0.9
"""What a unit takes of its own task at first, as in the paper; the other tasks share the rest."""


class CrossStitch(nn.Module):
    """A bottom for each task, whose layers exchange what they have computed; a tower for each (leaf, task).

    h_t of a layer = sum over u of a_{leaf, layer, t, u} * layer_u(h_u of the layer below), from h_u = x
    logit_t = tower_{leaf, t}(h_t of the last layer)
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        tasks = len(plan.tasks.tasks)
        widths = (baseline.input_width(plan.width), *baseline.hidden)
        self.layers = nn.ModuleList(
            MLPs(1, tasks, pair, activation=baseline.activation, dropout=baseline.dropout, norm=baseline.norm)
            for pair in pairwise(widths)
        )
        self.units = nn.ModuleList(CrossStitchUnit(baseline.leaves, tasks) for _ in self.layers if tasks > 1)
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        h = x_BD.unsqueeze(0)
        for depth, layer in enumerate(self.layers):
            h = layer(h, rows)
            if self.units:
                h = self.units[depth](h, rows)
        logit_TB: Tensor = self.towers(h, rows)
        return logit_TB


class CrossStitchUnit(nn.Module):
    """h'_TBH: sums of the tasks' vectors, with learnt weights of each leaf."""

    def __init__(self, leaves: int, tasks: int) -> None:
        super().__init__()
        start_TU = torch.full((tasks, tasks), (1 - OWN) / (tasks - 1)).fill_diagonal_(OWN)
        self.weight_LTU = nn.Parameter(start_TU.expand(leaves, -1, -1).clone())

    def forward(self, h_UBH: Tensor, rows: SortedRows) -> Tensor:
        """Returns h'_TBH."""
        return (rows.weights(self.weight_LTU) * h_UBH).sum(dim=1)
