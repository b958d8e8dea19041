"""`PEPNet`: parameter and embedding personalised network (Chang et al., KDD 2023).

Axes: B rows sorted by leaf, D width of x, P width of a gate's input, T tasks, H output width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import Linears, MLPs
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan

GAMMA = 2.0
"""Largest factor of a gate, as in the paper: a gate whose logit is 0 changes nothing."""


class PEPNet(nn.Module):
    """A gate on the embeddings (EPNet), and gates on every hidden layer of a network for each task (PPNet).

        o = gate([leaf embedding; stop(x)]) * x
        h_t of a layer = gate_layer([leaf embedding; stop(o)])_t * layer_t(h_t of the layer below), from h_t = o
        logit_t = head_{leaf, t}(h_t of the last layer)

    stop() passes no gradient, so that the gates do not disturb what the embeddings learn. The layers are those of
    the bottom of each task and of the tower of each (leaf, task).
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves, tasks, copies = baseline.leaves, plan.tasks, len(plan.tasks.tasks)
        self.leaf = nn.Embedding(leaves, baseline.embed)
        nn.init.normal_(self.leaf.weight, std=START_STD)
        prior = (baseline.embed + plan.width, *baseline.auxiliary)
        self.embedding_gate = GateUnit(prior, 1, plan.width)
        bottom, tower = (plan.width, *baseline.hidden), (baseline.output, *tasks.tower)
        layers = [
            MLPs(1, copies, widths, activation=baseline.activation, dropout=baseline.dropout, norm=baseline.norm)
            for widths in pairwise(bottom)
        ]
        layers += [
            MLPs(leaves, copies, widths, activation=tasks.tower_activation, dropout=tasks.tower_dropout)
            for widths in pairwise(tower)
        ]
        self.layers = nn.ModuleList(layers)
        self.gates = nn.ModuleList(GateUnit(prior, copies, width) for width in (*bottom[1:], *tower[1:]))
        self.head = Linears(leaves, copies, tower[-1], 1)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        leaf_BE = self.leaf(rows.leaf_B)
        h = x_BD.unsqueeze(0) * self.embedding_gate(torch.cat([leaf_BE, x_BD.detach()], dim=1), rows)
        prior_BP = torch.cat([leaf_BE, h.detach().squeeze(0)], dim=1)
        for layer, gate in zip(self.layers, self.gates, strict=True):
            h = layer(h, rows) * gate(prior_BP, rows)
        logit_TB: Tensor = self.head(h, rows).squeeze(-1)
        return logit_TB


class GateUnit(nn.Module):
    """delta_TBH, the factors of T layers' outputs: 2 * sigmoid(Linear(MLP with ReLU(prior)))."""

    def __init__(self, widths: tuple[int, ...], copies: int, after: int) -> None:
        """Draws the parameters.

        Args:
            widths: width of the gate's input, and of each of its hidden layers.
            copies: the number of layers side by side, T.
            after: the output width of each of them, H.
        """
        super().__init__()
        self.hidden = MLPs(1, 1, widths, activation="relu", dropout=0.0)
        self.output = Linears(1, copies, widths[-1], after)
        # Embeddings start small: a bias that does not start at 0 would decide alone which units of the ReLU ever run.
        for linear in (*self.hidden.linears, self.output):
            nn.init.zeros_(linear.bias_LGH)

    def forward(self, prior_BP: Tensor, rows: SortedRows) -> Tensor:
        """Returns delta_TBH."""
        logit_TBH: Tensor = self.output(self.hidden(prior_BP.unsqueeze(0), rows), rows)
        return GAMMA * logit_TBH.sigmoid()
