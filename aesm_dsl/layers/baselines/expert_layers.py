"""`ExpertLayers`: what PLE and AdaTT have in common, layers in which tasks and shared experts exchange what they know.

Axes: B rows sorted by leaf, D input width, T tasks.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.stacked_linears import Towers
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class ExpertLayers(nn.Module):
    """Layers, each from h_t of the tasks and s of the shared experts to the next; a tower for each (leaf, task).

    All start from x. The last layer does not make s.
    """

    def __init__(self, layer: Callable[..., nn.Module], plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        inputs = [baseline.input_width(plan.width), *[baseline.output] * (baseline.repeat - 1)]
        self.layers = nn.ModuleList(
            layer(plan, baseline, before, last=depth == baseline.repeat - 1) for depth, before in enumerate(inputs)
        )
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        h = shared = x_BD.unsqueeze(0)
        for layer in self.layers:
            h, shared = layer(h, shared, rows)
        logit_TB: Tensor = self.towers(h, rows)
        return logit_TB
