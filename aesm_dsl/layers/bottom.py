"""`Bottom`: what happens to the features' vectors below the experts, in every architecture alike.

Axes: B rows, D width of x, F fields, C width of the node embeddings, H width of a hidden layer, L scenario levels.
"""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import NodeEmbeddings
from aesm_dsl.plan.bottom import BottomPlan, field_widths
from aesm_dsl.plan.plan import Plan


def bottom_of(plan: Plan) -> Bottom | None:
    """Returns the bottom of a network, freshly initialised; None if its plan has none."""
    return None if plan.bottom is None else Bottom(plan, plan.bottom)


class Bottom(nn.Module):
    """Weights the features' vectors. It starts as if it were not there: every gate starts at 1."""

    def __init__(self, plan: Plan, bottom: BottomPlan) -> None:
        super().__init__()
        self.gate: nn.Module | None = None
        if bottom.gate == "scenario":
            self.gate = ScenarioGate(plan, bottom)
        elif bottom.gate == "senet":
            self.gate = FieldGate(plan, bottom)

    def forward(self, x_BD: Tensor, node_BL: Tensor) -> Tensor:
        """Returns the input of the experts.

        Args:
            x_BD: the vectors of all features, concatenated.
            node_BL: int64; the row's node at every level, UNKNOWN if the level allows it.

        Raises:
            ValueError: as in `Context`.
        """
        if self.gate is not None:
            x_BD = self.gate(x_BD, node_BL)
        return x_BD


class ScenarioGate(nn.Module):
    """The gate of EPNet (Chang et al., "PEPNet", KDD 2023), with the row's nodes as the domain.

        y = 2 sigmoid(W' relu(W [c; x without gradient] + b) + b') * x    (elementwise)

    c are node embeddings of the gate's own, one for each level; rows with an unknown node have one too. W' and b' start
    at 0, so that the gate starts at 1.
    """

    def __init__(self, plan: Plan, bottom: BottomPlan) -> None:
        super().__init__()
        self.nodes = NodeEmbeddings(plan.levels)
        self.factor = _factor(bottom.gate_widths(plan.features, plan.node_width))

    def forward(self, x_BD: Tensor, node_BL: Tensor) -> Tensor:
        """Returns y_BD."""
        factor_BD: Tensor = self.factor(torch.cat([*self.nodes.of_levels(node_BL), x_BD.detach()], dim=1))
        return 2 * factor_BD.sigmoid() * x_BD


class FieldGate(nn.Module):
    """Squeeze and excitation of fields (Huang, Zhang, Zhang, "FiBiNET", RecSys 2019; Hu, Shen, Sun, CVPR 2018).

        z_f = mean of the numbers of field f;  a = 2 sigmoid(W' relu(W z + b) + b');  y_f = a_f x_f

    As in SENet, the factor is a sigmoid; FiBiNET's ReLU can silence a field for good. W' and b' start at 0.
    """

    field_D: Tensor
    """The field of every number of x."""

    def __init__(self, plan: Plan, bottom: BottomPlan) -> None:
        super().__init__()
        widths = field_widths(plan.features)
        self.runs = [(width, len(list(run))) for width, run in groupby(widths)]
        field_D = [field for field, width in enumerate(widths) for _ in range(width)]
        self.register_buffer("field_D", torch.tensor(field_D, dtype=torch.int64), persistent=False)
        self.factor = _factor(bottom.gate_widths(plan.features, 0))

    def forward(self, x_BD: Tensor, node_BL: Tensor) -> Tensor:
        """Returns y_BD; the nodes do not matter."""
        parts = x_BD.split_with_sizes([width * fields for width, fields in self.runs], dim=1)
        means = [
            part.reshape(part.shape[0], fields, width).mean(2)
            for part, (width, fields) in zip(parts, self.runs, strict=True)
        ]
        factor_BF: Tensor = self.factor(torch.cat(means, dim=1))
        return (2 * factor_BF.sigmoid()).index_select(1, self.field_D) * x_BD


def _factor(widths: tuple[int, ...]) -> nn.Sequential:
    """The two Linears of a gate, whose result starts at 0.

    Its input starts small, so that the first bias starts at 0: any other would decide alone which units ever run.
    """
    before, hidden, after = widths
    first, last = nn.Linear(before, hidden), nn.Linear(hidden, after)
    for start in (first.bias, last.weight, last.bias):
        nn.init.zeros_(start)
    return nn.Sequential(first, nn.ReLU(), last)
