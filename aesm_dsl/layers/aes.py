"""`AESLayer`: one layer of automatic expert selection (method.md eq. 1-8; AESM², SIGIR 2022).

Axes: B rows, T tasks, D input width, C context width, N nodes, E experts, F output width; R rows or (row, task) pairs,
G gates that share an input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.experts import Experts
from aesm_dsl.layers.precision import without_autocast
from aesm_dsl.layers.selection import LossSums, Selection, mixture_weights, select_experts, within_budget
from aesm_dsl.plan.plan import LayerPlan


@dataclass(frozen=True, slots=True)
class Noise:
    """Exploration of one training step (eq. 2)."""

    sigma: float
    """Standard deviation of the noise on every gate logit, whatever the number of experts."""
    mixture: bool = False
    """Whether the noise affects the mixture too, not only the selection."""
    generator: torch.Generator | None = None
    """Generator that draws the noise, on the device of the network; None for torch's default generator."""


class AESLayer(nn.Module):
    """Selects experts for every row and mixes their outputs (eq. 1-8).

    `context` and `node` have one entry for each gate; `x` has one for each gate, or one for each row if T gates share
    it:

        x_BD,  context_BC,  node_B   -> y_BF    a scenario level
        x_BD,  context_BTC, node_BT  -> y_BTF   the first task layer: one input, an expert runs once for a row
        x_BTD, context_BTC, node_BT  -> y_BTF   later task layers: an input for each task
    """

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        if not (0 <= plan.specific <= plan.experts and 0 <= plan.shared <= plan.experts):
            raise ValueError(f"{plan.specific} specific + {plan.shared} shared of {plan.experts} experts")
        if plan.specific + plan.shared == 0:
            raise ValueError("a row must select at least one expert, specific or shared")
        if plan.mixture_norm not in ("layer", "none"):
            raise ValueError(f"mixture norm {plan.mixture_norm!r}, expected 'layer' or 'none'")
        if plan.unknown and plan.shared == 0:
            raise ValueError("rows of unknown nodes run shared experts alone, and there are none")
        if plan.residual and plan.input != plan.output:
            raise ValueError(f"a residual adds equal widths, not {plan.input} and {plan.output}")
        if plan.budget is not None and plan.budget < min(plan.nodes, plan.experts):
            raise ValueError(f"a budget of {plan.budget} experts for {plan.nodes} tasks, each of which keeps its best")
        self.plan = plan
        # All gates start equal: noise and data decide which expert serves which node, not the initial weights.
        self.gate = nn.Linear(plan.input + plan.context, plan.nodes * plan.experts)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.experts = Experts(plan)
        self.norm = nn.LayerNorm(plan.output) if plan.mixture_norm == "layer" else None

    def forward(
        self, x: Tensor, context: Tensor, node: Tensor, noise: Noise | None = None, among: Tensor | None = None
    ) -> tuple[Tensor, Selection, LossSums]:
        """Runs the layer.

        Args:
            x: the input.
            context: embeddings of the row's place.
            node: int64; the row's node, or the task. UNKNOWN only if the plan allows it: such a row runs its shared
                experts alone, mixed by its mean gates.
            noise: exploration; ignored outside training.
            among: bool, the shape of `node` and one more axis N: the nodes that each gate is compared with, its own
                included; None for all nodes.

        Returns:
            y; the selection, with the leading shape of `node`; and the sums for L_sp, L_sh (eq. 8) and L_balance.
        """
        gates = self.logits(x, context)
        noisy = _explore(gates, noise) if noise is not None and self.training else gates
        plan = self.plan
        choice = select_experts(noisy, node, plan.specific, plan.shared, among, unknown=plan.unknown)
        mixed = noisy if noise is not None and noise.mixture else gates
        weight = mixture_weights(mixed, node, choice.chosen, plan.temperature, among_BN=among, unknown=plan.unknown)
        if plan.budget is not None and node.dim() == 2:
            choice = choice.only(within_budget(choice.chosen, weight, plan.budget))
            weight = mixture_weights(mixed, node, choice.chosen, plan.temperature)

        shared_input = x.dim() < context.dim()
        gates_per_row = context.shape[-2] if shared_input else 1
        x_RD = x.flatten(0, -2)
        weight_RGE = weight.reshape(x_RD.shape[0], gates_per_row, plan.experts)
        y = self.experts(x_RD, weight_RGE).reshape(*node.shape, plan.output)
        if self.norm is not None:
            y = self.norm(y)
        if plan.residual:
            y = y + (x.unsqueeze(-2) if shared_input else x)
        return y, Selection(node, choice.specific, choice.shared, weight), choice.loss_sums()

    def logits(self, x: Tensor, context: Tensor) -> Tensor:
        """Returns G (..., N, E), the gate logits without noise: one linear map of [x; context] (eq. 1).

        They have the type of the weights, also under autocast: rounded logits would select other experts.
        """
        # The two halves of the product are computed apart: an input that T tasks share is multiplied once, not T times.
        weight_x, weight_c = self.gate.weight[:, : self.plan.input], self.gate.weight[:, self.plan.input :]
        with without_autocast(x.device):
            from_x = functional.linear(x.to(weight_x.dtype), weight_x)
            from_context = functional.linear(context, weight_c, self.gate.bias)
        if x.dim() < context.dim():
            from_x = from_x.unsqueeze(-2)
        gates = from_x + from_context
        return gates.reshape(*gates.shape[:-1], self.plan.nodes, self.plan.experts)

    def extra_repr(self) -> str:
        plan = self.plan
        return (
            f"{plan.input} (+ context {plan.context}) -> {plan.output}, {plan.nodes} nodes, "
            f"{plan.experts} experts, {plan.specific} specific + {plan.shared} shared"
        )


def _explore(gates: Tensor, noise: Noise) -> Tensor:
    """G~: gate logits with independent normal noise for every row, node and expert (eq. 2)."""
    epsilon = torch.randn(gates.shape, generator=noise.generator, dtype=gates.dtype, device=gates.device)
    return gates + noise.sigma * epsilon
