"""`Bottom`: what happens to the features' vectors below the experts, in every architecture alike.

Axes: B rows, D width of x, F fields, C width of the node embeddings, H width of a hidden layer, L scenario levels,
K factors of a factorisation machine.
"""

from __future__ import annotations

from itertools import accumulate, groupby

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import NodeEmbeddings
from aesm_dsl.plan.bottom import BottomPlan, field_widths
from aesm_dsl.plan.plan import Plan


def bottom_of(plan: Plan) -> Bottom | None:
    """Returns the bottom of a network, freshly initialised; None if its plan has none."""
    return None if plan.bottom is None else Bottom(plan, plan.bottom)


class Bottom(nn.Module):
    """Weights the features' vectors by a gate, which starts at 1, and multiplies them with each other."""

    def __init__(self, plan: Plan, bottom: BottomPlan) -> None:
        super().__init__()
        self.gate: nn.Module | None = None
        if bottom.gate == "scenario":
            self.gate = ScenarioGate(plan, bottom)
        elif bottom.gate == "senet":
            self.gate = FieldGate(plan, bottom)
        self.interaction: nn.Module | None = None
        if bottom.interaction == "dcn_v2":
            self.interaction = CrossLayers(plan.features_width, bottom)
        elif bottom.interaction == "fm":
            self.interaction = PairProducts(plan, bottom)

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
        if self.interaction is not None:
            x_BD = self.interaction(x_BD)
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


class CrossLayers(nn.Module):
    """The low-rank cross layers of DCN-v2 (Wang et al., "DCN V2", WWW 2021, eq. 1 and 2), in its stacked structure.

        x_{l+1} = x_0 * (U_l (V_l x_l) + b_l) + x_l    (elementwise)

    The last x takes the place of the first, below everything else. Nothing is activated between V and U.
    """

    def __init__(self, width: int, bottom: BottomPlan) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, bottom.rank, bias=False) for _ in range(bottom.layers))
        ups = [nn.Linear(bottom.rank, width) for _ in range(bottom.layers)]
        for up in ups:
            nn.init.zeros_(up.bias)
        self.up = nn.ModuleList(ups)

    def forward(self, x_BD: Tensor) -> Tensor:
        """Returns the last x_BD."""
        first_BD = x_BD
        for down, up in zip(self.down, self.up, strict=True):
            x_BD = first_BD * up(down(x_BD)) + x_BD
        return x_BD


class PairProducts(nn.Module):
    """The second-order term of a factorisation machine (Rendle, ICDM 2010), factor by factor, beside x.

        y = [x; sum over f < g of v_f * v_g],  computed as ((sum of v)^2 - sum of v^2) / 2    (elementwise)

    v_f are the numbers of field f, or their product with a matrix of the field if they are not K. The sum of the added
    numbers is the machine's term; to leave them apart is "bi-interaction" (He and Chua, NFM, SIGIR 2017).
    """

    def __init__(self, plan: Plan, bottom: BottomPlan) -> None:
        super().__init__()
        widths = field_widths(plan.features)
        starts = [0, *accumulate(widths)]
        self.factors = bottom.factors
        self.widths = sorted(set(widths))
        self.matrices = nn.ParameterDict()
        for width in self.widths:
            fields = [start for start, own in zip(starts, widths, strict=False) if own == width]
            columns = [start + number for start in fields for number in range(width)]
            self.register_buffer(f"columns_{width}", torch.tensor(columns, dtype=torch.int64), persistent=False)
            if width != bottom.factors:
                self.matrices[str(width)] = nn.Parameter(torch.randn(len(fields), width, bottom.factors) * width**-0.5)

    def forward(self, x_BD: Tensor) -> Tensor:
        """Returns x_BD and behind it the products, K numbers more."""
        total_BK = squares_BK = x_BD.new_zeros(x_BD.shape[0], self.factors)
        for width in self.widths:
            columns = self.get_buffer(f"columns_{width}")
            v_BFK = x_BD.index_select(1, columns).reshape(x_BD.shape[0], len(columns) // width, width)
            v_FBK = v_BFK.transpose(0, 1)
            if width != self.factors:
                v_FBK = torch.matmul(v_FBK, self.matrices[str(width)])
            total_BK = total_BK + v_FBK.sum(0)
            squares_BK = squares_BK + v_FBK.square().sum(0)
        return torch.cat([x_BD, (total_BK.square() - squares_BK) / 2], dim=1)
