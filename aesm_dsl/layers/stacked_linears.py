"""Many equal Linears and MLPs at once: one for each leaf, or several side by side.

Parameters are stacked, and rows are sorted by leaf.

Axes: L leaves, or 1 if all leaves share; G Linears side by side, each with its own input or all with the same;
B rows sorted by leaf; D input width; H output width; T tasks.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.experts import ACTIVATIONS
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class Linears(nn.Module):
    """y_GBH: each row through the G Linears of its leaf."""

    def __init__(self, leaves: int, copies: int, before: int, after: int) -> None:
        super().__init__()
        self.weight_LGDH = nn.Parameter(torch.empty(leaves, copies, before, after))
        self.bias_LGH = nn.Parameter(torch.empty(leaves, copies, after))
        # As nn.Linear starts, by the fan-in of one of them. Drawn for the whole stack, so that no two are equal.
        bound = before**-0.5
        nn.init.uniform_(self.weight_LGDH, -bound, bound)
        nn.init.uniform_(self.bias_LGH, -bound, bound)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        """Returns y_GBH.

        Args:
            h: (G, B, D), or (1, B, D) if all G have the same input.
            rows: the leaves of the rows; ignored if all leaves share.
        """
        return apply_linears(h, self.weight_LGDH, self.bias_LGH, rows)

    def extra_repr(self) -> str:
        leaves, copies, before, after = self.weight_LGDH.shape
        return f"leaves={leaves}, copies={copies}, {before} -> {after}"


def apply_linears(h: Tensor, weight_LGDH: Tensor, bias_LGH: Tensor, rows: SortedRows) -> Tensor:
    """Returns y_GBH of `Linears` with these parameters, by one batched product for each leaf."""
    h_GBD = h.expand(weight_LGDH.shape[1], -1, -1)
    parts = h_GBD.split_with_sizes(rows.sizes, dim=1) if len(weight_LGDH) > 1 else (h_GBD,)
    # unbind, not an index for each leaf: the gradient of an index is as large as all leaves together.
    of_leaf = zip(parts, weight_LGDH.unbind(0), bias_LGH.unbind(0), strict=True)
    outputs = [torch.baddbmm(bias_GH.unsqueeze(1), part, weight_GDH) for part, weight_GDH, bias_GH in of_leaf]
    return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


class MLPs(nn.Module):
    """y_GBH: each row through the G MLPs of its leaf: Linear -> norm -> activation -> dropout for each width."""

    def __init__(
        self,
        leaves: int,
        copies: int,
        widths: tuple[int, ...],
        *,
        activation: str,
        dropout: float,
        norm: str = "none",
    ) -> None:
        """Draws the parameters.

        Args:
            leaves: the number of leaves, L, or 1 if all leaves share.
            copies: the number of MLPs side by side, G.
            widths: the input width and the width of each layer; with the input width alone, the input is returned.
            activation: a key of ACTIVATIONS.
            dropout: the probability that an output is dropped.
            norm: "layer" or "none".
        """
        super().__init__()
        if norm not in ("layer", "none"):
            raise ValueError(f"norm {norm!r}, expected 'layer' or 'none'")
        self.activation = ACTIVATIONS[activation]
        self.dropout = dropout
        self.linears = nn.ModuleList(Linears(leaves, copies, before, after) for before, after in pairwise(widths))
        norms = widths[1:] if norm == "layer" else ()
        self.norms = nn.ModuleList(Norms(leaves, copies, width) for width in norms)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        """Returns y_GBH; the arguments are those of `Linears`."""
        for depth, linear in enumerate(self.linears):
            h = linear(h, rows)
            if self.norms:
                h = self.norms[depth](h, rows)
            h = functional.dropout(self.activation(h), self.dropout, self.training)
        return h


class Norms(nn.Module):
    """Layer norm of h_GBH, with a scale and a shift for each leaf and each of the G."""

    def __init__(self, leaves: int, copies: int, width: int) -> None:
        super().__init__()
        self.scale_LGH = nn.Parameter(torch.ones(leaves, copies, width))
        self.shift_LGH = nn.Parameter(torch.zeros(leaves, copies, width))

    def forward(self, h_GBH: Tensor, rows: SortedRows) -> Tensor:
        """Returns the normalised h_GBH."""
        h_GBH = functional.layer_norm(h_GBH, h_GBH.shape[-1:])
        parts = h_GBH.split_with_sizes(rows.sizes, dim=1) if len(self.scale_LGH) > 1 else (h_GBH,)
        of_leaf = zip(parts, self.scale_LGH.unbind(0), self.shift_LGH.unbind(0), strict=True)
        outputs = [torch.addcmul(shift.unsqueeze(1), part, scale.unsqueeze(1)) for part, scale, shift in of_leaf]
        return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]


class Towers(nn.Module):
    """logit_TB: a tower for each task, or for each leaf and task."""

    def __init__(self, plan: Plan, leaves: int, before: int) -> None:
        super().__init__()
        tasks, widths = plan.tasks, (before, *plan.tasks.tower)
        copies, activation, dropout = len(tasks.tasks), tasks.tower_activation, tasks.tower_dropout
        self.hidden = MLPs(leaves, copies, widths, activation=activation, dropout=dropout)
        self.head = Linears(leaves, copies, widths[-1], 1)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB from h (T, B, D), or (1, B, D) if all tasks have the same input."""
        logit_TB: Tensor = self.head(self.hidden(h, rows), rows).squeeze(-1)
        return logit_TB


def bottom_mlps(before: int, baseline: BaselinePlan, *, leaves: int = 1, copies: int = 1) -> MLPs:
    """Returns the MLPs of a baseline below its towers, or its experts."""
    widths, dropout = (before, *baseline.hidden), baseline.dropout
    return MLPs(leaves, copies, widths, activation=baseline.activation, dropout=dropout, norm=baseline.norm)
